"""Hashes of content, remembered until a file changes."""

import hashlib
import os

import pytest

from maquette.weights.hashes import content_hash


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MAQUETTE_CACHE", str(tmp_path / "cache"))


def test_the_hash_of_a_file_is_its_sha256_and_follows_its_content(tmp_path):
    file = tmp_path / "a.bin"
    for content in (b"one", b"three"):
        file.write_bytes(content)
        assert content_hash(file) == content_hash(file) == hashlib.sha256(content).hexdigest()


def test_a_file_of_the_same_size_and_time_is_not_read_again(tmp_path):
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    before, times = content_hash(file), (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_bytes(b"two")
    os.utime(file, ns=times)
    assert content_hash(file) == before


def test_a_folder_counts_by_names_and_contents_and_without_hidden_files(tmp_path):
    folder = tmp_path / "model"
    (folder / "unet").mkdir(parents=True)
    (folder / "unet" / "a.bin").write_bytes(b"one")
    before = content_hash(folder)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("main")
    assert content_hash(folder) == before
    (folder / "unet" / "a.bin").rename(folder / "unet" / "b.bin")
    assert content_hash(folder) != before


def test_a_missing_file_is_an_error_and_a_cache_that_cannot_be_written_is_none(tmp_path, monkeypatch):
    (tmp_path / "a.bin").write_bytes(b"one")
    monkeypatch.setenv("MAQUETTE_CACHE", str(tmp_path / "a.bin"))
    assert content_hash(tmp_path / "a.bin") == hashlib.sha256(b"one").hexdigest()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to("nowhere")
    assert content_hash(tmp_path / "folder") == hashlib.sha256().hexdigest()
