"""Texts that are longer than an encoder takes lose their end and keep their frame."""

import pytest
import torch

from maquette.errors import ConfigError
from maquette.perception.tokens import TextLimit, cut_to_fit, most_tokens, text_limit, token_ids, tokenize, warn_of_cut

WORDS = TextLimit(lambda text: len(text.split()), 4)
"""An encoder of four words."""


class Lengthless:
    """A tokenizer that states no length of its own, as some do."""

    model_max_length, name_or_path = 10**30, "some/model"

    def __call__(self, texts, **settings):
        raise AssertionError("it is asked for its length alone")


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("a red mug", "a red mug"),
        ("a red mug on a table", "a red mug on"),
        ("a red mug, on, a table", "a red mug, on"),
        ("one two three " + "x" * 50 + " five", "one two three " + "x" * 50),
    ],
)
def test_a_text_is_cut_after_its_last_whole_word(text, cut):
    assert cut_to_fit(text, [WORDS]) == cut


def test_every_limit_and_every_frame_counts():
    letters = TextLimit(len, 12)
    assert cut_to_fit("a red mug on a table", [WORDS, letters]) == "a red mug on"
    assert cut_to_fit("a red mug on a table", [WORDS], [("", ""), ("", ", front view")]) == "a red"
    with pytest.raises(ConfigError, match="the view words alone are longer than the 4 tokens"):
        cut_to_fit("a mug", [WORDS], [("", " seen from very far above")])


def test_tokens_that_were_cut_are_told_in_one_warning(caplog):
    warn_of_cut("prompt", "a red mug on a table", "a red mug on", [WORDS])
    warn_of_cut("prompt", "a mug", "a mug", [WORDS])
    (record,) = caplog.records
    assert record.getMessage() == (
        "prompt: the text encoder takes 4 tokens, so its last 7 characters are cut off: 'a table'"
    )


def test_the_fewer_of_the_tokenizers_and_the_encoders_tokens_count():
    assert most_tokens(Lengthless(), 77) == 77
    with pytest.raises(ConfigError, match="the tokenizer 'some/model' does not state how long a text may be"):
        most_tokens(Lengthless())


def test_tokens_are_padded_to_one_length_and_known_to_the_encoder(tiny_text_tower):
    tokenizer, encoder = tiny_text_tower
    assert tokenize(tokenizer, ["a mug", ""]).input_ids.shape == (2, 8)
    assert torch.equal(token_ids(tokenizer, encoder, ["a mug"]), tokenize(tokenizer, ["a mug"]).input_ids)
    assert text_limit(tokenizer, 8).count("a mug") == 4  # with start and end
    encoder.set_input_embeddings(torch.nn.Embedding(2, 8))
    with pytest.raises(ConfigError, match="and the text encoder knows 2: the two are not of one model"):
        token_ids(tokenizer, encoder, ["a mug"])
