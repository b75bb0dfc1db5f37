"""One exporter that fails costs no other; all of them failing end the run."""

import pytest
from coloured_ball import field_ball

from maquette.config.parts import check
from maquette.errors import RunError
from maquette.stages.base import Artifacts, StageContext
from maquette.stages.export import Export
from maquette.training.run_folder import RunFolder


def export(folder, scene=None, **exporters):
    config = check(Export.Config, {"exporters": exporters}, "stages.export", lambda key: None)
    context = StageContext("export", None, RunFolder(folder), False, Artifacts(scene=scene))
    Export(config).run(context)
    return sorted(path.name for path in context.run.export.iterdir())


def test_export_goes_on_after_an_exporter_that_does_not_fit(tmp_path, caplog):
    assert export(tmp_path, field_ball(), splats={}, points={"count": 50}) == ["points.ply"]
    assert "splats: " in caplog.text


def test_export_ends_where_nothing_could_be_written(tmp_path):
    with pytest.raises(RunError, match=r"^splats: "):
        export(tmp_path, field_ball(), splats={})


def test_export_without_a_scene_says_what_is_missing(tmp_path):
    with pytest.raises(RunError, match="'export' has nothing to export: no stage before it made a scene"):
        export(tmp_path, points={})
