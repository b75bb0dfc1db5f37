"""Weights pinned to a revision of the hub, against a server that speaks the hub's protocol."""

from __future__ import annotations

import hashlib
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
import torch
from safetensors.torch import load_file, save_file

from maquette.errors import ConfigError
from maquette.planning.weights import weights_of
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.training.fingerprint import Fingerprint, fingerprint
from maquette.weights.diffusers_folder import Weights
from maquette.weights.hub import HubModel, hub_arguments
from maquette.weights.loading import check_path

COMMITS = {"v1": "1" * 40, "main": "2" * 40}


class Server(BaseHTTPRequestHandler):
    """Serves folders as revisions of org/tiny: `/org/tiny/resolve/REVISION/FILE`."""

    folders: dict[str, Path]

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body):
        _, _, _, _, revision, name = self.path.split("/", 5)
        revision = {commit: name for name, commit in COMMITS.items()}.get(unquote(revision), unquote(revision))
        file = self.folders.get(revision, Path("nowhere")) / unquote(name).partition("?")[0]
        if not file.is_file():
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound" if revision in COMMITS else "RevisionNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMITS[revision])
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *words):
        pass


@pytest.fixture
def hub(tiny_pixel_model, tmp_path, monkeypatch):
    """A hub with two revisions of one model, whose weights differ."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    other = shutil.copytree(tiny_pixel_model, tmp_path / "other")
    file = next((other / "unet").glob("*.safetensors"))
    save_file({name: value + 1 for name, value in load_file(file).items()}, file)
    handler = type("Handler", (Server,), {"folders": {"main": tiny_pixel_model, "v1": other}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield SimpleNamespace(main=tiny_pixel_model, v1=other)
        server.shutdown()


def test_a_pinned_model_has_the_files_of_its_revision(hub):
    pinned, present = Weights("org/tiny@v1"), Weights("org/tiny")
    assert pinned.file("unet/config.json").read_bytes() == (hub.v1 / "unet/config.json").read_bytes()
    for weights, folder in ((pinned, hub.v1), (present, hub.main)):
        (wanted,) = (load_file(file) for file in (folder / "unet").glob("*.safetensors"))
        loaded = weights.tensors("unet")
        assert all(torch.equal(loaded[name], value) for name, value in wanted.items())


def test_a_revision_that_does_not_exist_is_one_line(hub):
    with pytest.raises(ConfigError) as problem:
        Weights("org/tiny@v9").index  # noqa: B018
    message = str(problem.value)
    assert "prior.path: cannot load model_index.json of 'org/tiny@v9'" in message and "\n" not in message
    assert "org/tiny has no revision 'v9' on the hub" in message


def resolved(path):
    spec = SimpleNamespace(stages={})
    return SimpleNamespace(plain={"prior": {"path": path}}, method=spec, origins={})


def test_the_fingerprint_has_the_commit_of_a_revision(hub):
    name = "org/tiny@v1"
    assert fingerprint(resolved(name)).inputs == {}
    Weights(name).file("model_index.json")
    pinned: Fingerprint = fingerprint(resolved(name))
    assert pinned.record()["inputs"] == {name: COMMITS["v1"]}
    commit = f"org/tiny@{COMMITS['v1']}"
    assert fingerprint(resolved(commit)).inputs == {commit: COMMITS["v1"]}
    assert pinned.digest != fingerprint(resolved("org/tiny@v2")).digest


def test_a_revision_in_the_cache_needs_no_download(hub):
    Weights("org/tiny@v1").tensors("unet")
    uses = {path: weights_of(StableDiffusion.Config(path=path)) for path in ("org/tiny@v1", "org/tiny@v2")}
    assert [use.place for (use,) in uses.values()] == ["hub cache", "hub"]


def test_names_of_the_hub_are_read_with_their_revision(tmp_path):
    assert HubModel.named("org/model@refs/pr/3") == HubModel("org/model", "refs/pr/3")
    assert hub_arguments("org/model@v1") == ("org/model", {"revision": "v1"})
    assert hub_arguments(str(tmp_path)) == (str(tmp_path), {})
    check_path("org/model@v1")
    for wrong in ("org/model@", "org/model@v1@v2", "model@v1"):
        assert HubModel.named(wrong) is None
        with pytest.raises(ValueError, match=r"nor a hub name like org/model or org/model@revision"):
            check_path(wrong)
