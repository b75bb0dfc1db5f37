"""The commands `maquette leaderboard ...`: scores of what others made, submissions, verification, and the site."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from maquette.cli import completion
from maquette.cli.arguments import Parts
from maquette.cli.bench import RESULTS, ResultsFolder, print_records
from maquette.cli.errors import exit_with_errors
from maquette.files import display_path

if TYPE_CHECKING:
    from maquette.bench.record_checks import Finding

leaderboard_app = typer.Typer(
    help="Score what others made, pack and verify results, and build the site of them.", no_args_is_help=True
)

SuiteOption = Annotated[
    str, typer.Option("--suite", "-s", help="a suite's name or YAML file", autocompletion=completion.suites)
]


@leaderboard_app.command("score")
@exit_with_errors
def score(
    folder: Annotated[Path, typer.Argument(help="folder with system.toml and a file for each case and seed")],
    suite: SuiteOption,
    results: ResultsFolder = RESULTS,
    parts: Parts = None,
) -> None:
    """Score meshes, splats or views that were made elsewhere, by the metrics and the protocol of a suite.

    maquette leaderboard score my-system --suite my-suite.yaml

    A file is called CASE/SEED.glb, CASE-seedSEED.glb, or CASE.glb where the suite has one seed.
    """
    from maquette.bench.scoring import score_folder
    from maquette.bench.suites import load_suite

    chosen = load_suite(suite, parts or [])
    rows = []
    for scored in score_folder(folder, chosen, results):
        rows.append(scored.record)
        state = f"FAILED: {scored.record.error}" if scored.record.error else "scored"
        typer.echo(f"{scored.record.case}, seed {scored.record.seed}: {state}", err=True)
    print_records(rows, results / chosen.title, {case.title for case in chosen.cases})
    typer.echo(f"results: {display_path(results / chosen.title)}")
    if any(record.error for record in rows):
        raise typer.Exit(1)


@leaderboard_app.command("build")
@exit_with_errors
def build(
    results: Annotated[list[Path], typer.Argument(help="folders of results, as `bench run` writes them")],
    out: Annotated[Path, typer.Option("--out", help="folder of the site")],
    title: Annotated[str, typer.Option("--title", help="of the site")] = "Leaderboard",
    every: Annotated[
        bool, typer.Option("--every", help="also older configurations of a method; else the newest of each")
    ] = False,
    meshes: Annotated[bool, typer.Option("--meshes/--no-meshes", help="3D views in the site")] = True,
    faces: Annotated[
        int, typer.Option("--faces", min=0, help="of a mesh in a 3D view, about; 0: the meshes as they are")
    ] = 4000,
) -> None:
    """Write a site of all suites: a folder of pages that works from a file, with tables, plots and pictures.

    maquette leaderboard build outputs/results --out site

    A unit that failed has the trivial row's values, and is counted. A method's rank is one more than the number of
    methods that are better beyond chance, by paired bootstrap over the cases.
    """
    from maquette.bench.site import build_site

    site = build_site(results, out, every, meshes, title, faces)
    typer.echo(f"{len(site.boards)} suites, {site.results} results: {display_path(site.index)}")


@leaderboard_app.command("submit")
@exit_with_errors
def submit(
    suite: SuiteOption,
    out: Annotated[Path, typer.Option("--out", help="the archive to write")] = Path("submission.zip"),
    methods: Annotated[str, typer.Option("--methods", help="some of the rows, with commas between [all]")] = "",
    results: ResultsFolder = RESULTS,
    parts: Parts = None,
) -> None:
    """Check the results of a suite, and pack records and predictions into one archive.

    maquette leaderboard submit --suite my-suite.yaml --out mine.zip
    """
    from maquette.bench.submissions import pack
    from maquette.bench.suites import load_suite

    names = [name.strip() for name in methods.split(",") if name.strip()]
    packed = pack(results, load_suite(suite, parts or []), out, names, parts or [])
    _print(packed.notes)
    typer.echo(f"{packed.records} records: {display_path(packed.file)}")
    options = "".join(f" --parts {display_path(path)}" for path in parts or [])
    typer.echo(
        f"a keeper checks it with: maquette leaderboard verify {display_path(packed.file)} --suite {suite}{options}"
    )


@leaderboard_app.command("verify")
@exit_with_errors
def verify(
    submission: Annotated[Path, typer.Argument(help="an archive of `leaderboard submit`, or a folder of results")],
    suite: SuiteOption,
    rerun: Annotated[
        int, typer.Option("--rerun", min=0, help="units that are run anew, drawn at random, of each method in turn")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="of that draw")] = 0,
    executor: Annotated[Literal["process", "inline"], typer.Option("--executor", help="of the re-runs")] = "process",
    keep: Annotated[
        Path | None, typer.Option("--keep", help="folder of all results in which the trust of each record is kept")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="of a board with the suite's first cases alone: how many [all]")
    ] = None,
    parts: Parts = None,
) -> None:
    """Verify results: digests, coverage, configuration, values anew from predictions, and a sample run anew.

    maquette leaderboard verify mine.zip --suite my-suite.yaml --rerun 2

    The exit code is 1 if something is wrong. Trust is 0 for values that are self-reported, 1 where all were measured
    anew from shipped predictions, and 2 where a sample was run anew as well. With --keep, `leaderboard build` shows it.
    """
    from maquette.bench.submissions import unpack
    from maquette.bench.suites import load_suite
    from maquette.bench.verifying import verify as verify_results

    with TemporaryDirectory() as work:
        folder = submission if submission.is_dir() else unpack(submission, Path(work) / "submission")
        chosen = load_suite(suite, parts or [])
        verdict = verify_results(folder, chosen, Path(work), rerun, seed, executor, parts or [], limit)
    _print(verdict.findings)
    typer.echo(
        f"{verdict.records} records, {verdict.rescored} measured anew, {verdict.rerun} run anew: "
        f"{len(verdict.errors)} errors, trust {verdict.trust}"
    )
    if keep is not None:
        from maquette.bench.verdicts import keep_verdict

        typer.echo(f"kept: {display_path(keep_verdict(verdict, chosen.title, keep))}")
    if verdict.errors:
        raise typer.Exit(1)


@leaderboard_app.command("push")
@exit_with_errors
def push(
    results: Annotated[Path, typer.Argument(help="folder of results")],
    wandb: Annotated[bool, typer.Option("--wandb", help="to Weights & Biases, which is all that there is")] = False,
    project: Annotated[str, typer.Option("--project", help="of W&B, or entity/project")] = "maquette",
    folder: Annotated[Path, typer.Option("--folder", help="in which wandb writes")] = Path("outputs") / "wandb",
    turntables: Annotated[bool, typer.Option("--turntables/--no-turntables", help="each mesh from all around")] = True,
) -> None:
    """Push results to Weights & Biases: a run for each unit, with figures, pictures, mesh and predictions.

    maquette leaderboard push outputs/results --wandb --project me/boards

    What was pushed is not pushed again. WANDB_MODE=offline needs no network: `wandb sync` sends the runs later.
    """
    from maquette.bench.wandb_push import push_results
    from maquette.errors import ConfigError

    if not wandb:
        raise ConfigError("where to?", key="wandb", hint="give --wandb")
    entity, _, name = project.rpartition("/")
    pushed = repeated = 0
    for one in push_results(results, folder, name, entity, turntables):
        pushed, repeated = pushed + (not one.repeated), repeated + one.repeated
        if not one.repeated:
            typer.echo(f"{one.record.method}, {one.record.case}, seed {one.record.seed}: run {one.id}", err=True)
    typer.echo(f"{pushed} runs pushed, {repeated} were there: {display_path(folder)}")


@leaderboard_app.command("pull")
@exit_with_errors
def pull(
    wandb: Annotated[str, typer.Option("--wandb", help="entity/project of Weights & Biases")] = "",
    offline: Annotated[
        Path | None, typer.Option("--wandb-offline", help="folder in which wandb wrote without a network")
    ] = None,
    results: ResultsFolder = RESULTS,
) -> None:
    """Write the records that `leaderboard push` sent to Weights & Biases, from a project or from offline runs.

    maquette leaderboard pull --wandb-offline outputs/wandb --results outputs/pulled

    The exit code is 1 if a record was refused: one that was changed, or that is not the one that is there.
    """
    from maquette.bench.wandb_pull import pull_offline, pull_project
    from maquette.errors import ConfigError

    if bool(wandb) == (offline is not None):
        raise ConfigError("where from?", key="wandb", hint="give --wandb entity/project or --wandb-offline FOLDER")
    counts = dict.fromkeys(("written", "there", "refused"), 0)
    for one in pull_offline(offline, results) if offline is not None else pull_project(wandb, results):
        counts[one.state] += 1
        if one.message:
            typer.secho(f"{one.name}: {one.message}", fg="red" if one.state == "refused" else None, err=True)
    typer.echo(", ".join(f"{count} {state}" for state, count in counts.items()) + f": {display_path(results)}")
    if counts["refused"]:
        raise typer.Exit(1)


def _print(findings: Iterable[Finding]) -> None:
    for finding in findings:
        color = "red" if finding.level == "error" else None
        typer.secho(f"{finding.level}: {f'{finding.unit}: ' if finding.unit else ''}{finding.message}", fg=color)
