"""Tokenisation of texts, and cutting of texts that are longer than a text encoder takes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jaxtyping import Int
from torch import Tensor

from maquette.errors import ConfigError

_log = logging.getLogger(__name__)

LONGEST = 100_000  # tokens; tokenizers without a length of their own state a number above it
WORD = 40  # characters that are given up at most, so that a text ends with a whole word
EXCERPT = 200  # characters of what was cut off, in a warning
Frame = tuple[str, str]
"""What stands before a text and after it, such as ("", ", front view")."""


class TextLimit(NamedTuple):
    """How long a text may be for a text encoder.

    Args:
        count: number of tokens of a text, with those for start and end.
        most: greatest number that the encoder takes.
    """

    count: Callable[[str], int]
    most: int


def tokenize(tokenizer: Any, texts: Sequence[str], length: int | None = None) -> Any:
    """Tokenise texts, padded and truncated to one length.

    Args:
        tokenizer: a transformers tokenizer.
        texts: n texts.
        length: L; None: the tokenizer's own.

    Returns:
        A transformers BatchEncoding with `input_ids` and `attention_mask` [n, L], on the CPU.
    """
    return tokenizer(
        list(texts), padding="max_length", truncation=True, max_length=length or most_tokens(tokenizer),
        return_tensors="pt",
    )  # fmt: skip


def token_ids(tokenizer: Any, encoder: Any, texts: Sequence[str]) -> Int[Tensor, "n L"]:
    """The tokens of texts for a CLIP text encoder, on its device.

    Raises:
        ConfigError: the tokenizer has tokens that the encoder does not know.
    """
    length = most_tokens(tokenizer, encoder.config.max_position_embeddings)
    ids = tokenize(tokenizer, texts, length).input_ids
    count = len(encoder.get_input_embeddings().weight)
    if int(ids.max()) >= count:
        raise ConfigError(
            f"the tokenizer has the token {int(ids.max())}, and the text encoder knows {count}: the two are not of one "
            "model", key="prior.path",
        )  # fmt: skip
    return ids.to(encoder.device)


def most_tokens(tokenizer: Any, positions: int | None = None) -> int:
    """The greatest number of tokens that a tokenizer and its encoder take.

    Args:
        positions: of the encoder; None: as many as the tokenizer states.

    Raises:
        ConfigError: neither states a number.
    """
    stated = [value for value in (tokenizer.model_max_length, positions) if isinstance(value, int | float)]
    most = min((int(value) for value in stated if 2 < value <= LONGEST), default=None)
    if most is None:
        raise ConfigError(
            f"the tokenizer {tokenizer.name_or_path!r} does not state how long a text may be",
            hint="write model_max_length into its tokenizer_config.json; it is 77 for CLIP",
        )  # fmt: skip
    return most


def text_limit(tokenizer: Any, most: int, prepare: Callable[[str], str] = str) -> TextLimit:
    """The limit of a text encoder.

    Args:
        tokenizer: a transformers tokenizer.
        most: greatest number of tokens.
        prepare: applied to texts before they are tokenised.
    """
    return TextLimit(lambda text: len(tokenizer(prepare(text), verbose=False).input_ids), most)


def cut_to_fit(text: str, limits: Sequence[TextLimit], frames: Sequence[Frame] = (("", ""),)) -> str:
    """The longest beginning of a text that fits every limit in every frame; the frames stay whole.

    It ends with a whole word, unless that word is longer than WORD.

    Args:
        text: any string.
        limits: of the encoders that read it.
        frames: what is put around the text.

    Raises:
        ConfigError: a frame alone is too long.
    """

    def fits(length: int) -> bool:
        return all(
            limit.count(before + text[:length] + after) <= limit.most for limit in limits for before, after in frames
        )

    if fits(len(text)):
        return text
    if not fits(0):
        raise ConfigError(
            f"the view words alone are longer than the {min(limit.most for limit in limits)} tokens that the text "
            "encoder takes", key="prior.view_prompts.template",
        )  # fmt: skip
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return _whole_words(text, low)


def _whole_words(text: str, length: int) -> str:
    cut = text[:length]
    words = cut.rsplit(maxsplit=1)
    if not text[length].isspace() and len(words) > 1 and len(words[1]) <= WORD and not cut[-1].isspace():
        cut = words[0]
    return cut.rstrip().rstrip(",;:").rstrip() or cut


def warn_of_cut(name: str, text: str, cut: str, limits: Sequence[TextLimit], note: str = "") -> None:
    """Log a warning that names the end of a text that was cut off.

    Args:
        name: of the text, such as "prompt".
        text, cut: before and after.
        limits: of the encoders that read it.
        note: what else to say.
    """
    if cut != text:
        most, lost = min(limit.most for limit in limits), text[len(cut) :].strip()
        excerpt = lost if len(lost) <= EXCERPT else f"{lost[:EXCERPT]} ..."
        _log.warning(
            "%s: the text encoder takes %d tokens, so its last %d characters are cut off%s: %r",
            name, most, len(lost), note, excerpt,
        )  # fmt: skip
