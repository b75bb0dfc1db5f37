"""Text embeddings are computed once per text and text encoder."""

import os

import pytest
import torch

from maquette.weights.embedding_cache import cache_folder, cached_embeddings, file_signature, text_encoder_hash


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MAQUETTE_CACHE", str(tmp_path / "cache"))


class Encoder:
    """The lengths of texts, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts):
        self.asked.append(list(texts))
        return torch.tensor([[[float(len(text))]] for text in texts])


def test_embeddings_are_computed_in_one_call_and_once_per_text():
    encoder = Encoder()
    first = cached_embeddings(["a", "bcd", "a"], "model", encoder)
    again = cached_embeddings(["bcd", "ef"], "model", encoder)
    assert encoder.asked == [["a", "bcd"], ["ef"]]
    assert {text: float(value) for text, value in {**first, **again}.items()} == {"a": 1, "bcd": 3, "ef": 2}


def test_embeddings_of_another_model_are_others():
    encoder = Encoder()
    cached_embeddings(["a"], "one", encoder)
    cached_embeddings(["a"], "other", encoder)
    assert encoder.asked == [["a"], ["a"]]


def test_a_damaged_entry_and_a_cache_that_cannot_be_written_only_cost_time(tmp_path, monkeypatch):
    encoder = Encoder()
    cached_embeddings(["a"], "model", encoder)
    (entry,) = (cache_folder() / "text").iterdir()
    entry.write_bytes(b"broken")
    assert float(cached_embeddings(["a"], "model", encoder)["a"]) == 1
    (tmp_path / "file").touch()
    monkeypatch.setenv("MAQUETTE_CACHE", str(tmp_path / "file"))
    assert float(cached_embeddings(["a"], "model", encoder)["a"]) == 1
    assert encoder.asked == [["a"]] * 3


def test_a_text_encoder_is_another_when_its_tokenizer_or_its_weights_change(tmp_path):
    for part, name in (("tokenizer", "vocab.json"), ("text_encoder", "model.safetensors")):
        (tmp_path / part).mkdir()
        (tmp_path / part / name).write_text("{}")
    before = text_encoder_hash(tmp_path)
    assert text_encoder_hash(tmp_path) == before
    (tmp_path / "tokenizer" / "vocab.json").write_text("[]")
    changed = text_encoder_hash(tmp_path)
    os.utime(tmp_path / "text_encoder" / "model.safetensors", ns=(1, 1))
    assert len({before, changed, text_encoder_hash(tmp_path)}) == 3
    assert file_signature(tmp_path / "text_encoder" / "model.safetensors") == "2/1"
