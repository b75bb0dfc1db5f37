"""The small tokenizer: whole words, the same numbers every time, bytes for the rest."""

import os
import subprocess
import sys

from maquette.learners.base import word_tokenizer
from maquette.perception.tokens import tokenize

WORDS = ["a", "cat", "car", "cart", "art", "red", "orange", "mushroom", "front", "view", ",", "é"]


def test_each_word_is_one_token_and_none_is_another():
    tokenizer = word_tokenizer(WORDS, 16)
    ids = [tokenizer(word).input_ids for word in WORDS]
    assert all(len(row) == 3 for row in ids)  # start, the word, end
    assert len({row[1] for row in ids}) == len(WORDS)


def test_unknown_words_are_spelt_and_texts_are_padded():

    tokenizer = word_tokenizer(WORDS, 16)
    ids = tokenize(tokenizer, ["a zebra 🦓", ""]).input_ids
    assert ids.shape == (2, 16)
    assert tokenizer.decode(ids[0], skip_special_tokens=True).strip() == "a zebra 🦓"


def test_the_numbers_do_not_depend_on_the_process_or_the_order():
    code = f"from maquette.learners.base import *; print(sorted(word_tokenizer({WORDS!r}, 16).get_vocab().items()))"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}  # sets come in another order than here
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout
    assert other == str(sorted(word_tokenizer(WORDS[::-1], 16).get_vocab().items())) + "\n"
