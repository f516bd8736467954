"""The prompts of a comparison: the user's prompts, or generated texts of three lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from exporter.kinds.chat import DEFAULT_PROMPT


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text and the part of the mix that it belongs to."""

    text: str
    stratum: str = ""
    max_output_tokens: int | None = None
    """Overrides the limit of the probe for this prompt."""


class Length(StrEnum):
    """The approximate number of input tokens."""

    HUNDRED = "100"
    THOUSAND = "1k"
    TEN_THOUSAND = "10k"

    @property
    def tokens(self) -> int:
        return int(self.value.replace("k", "000"))


_WHO = ("The baker", "A neighbour", "My sister", "The night train", "An old map", "The teacher")
_DOES = ("carries", "finds", "paints", "forgets", "repairs", "borrows")
_WHAT = ("a red lamp", "the garden gate", "two heavy books", "a small boat", "the broken clock")
_WHERE = ("near the river", "after the rain", "in early spring", "behind the station", "at noon")

_WORDS_PER_TOKEN = 0.9
"""Measured on such simple sentences, with the tokenizers of GPT, Llama and Qwen models."""
_TEXTS = 8
"""The number of different texts of each length. A nonce makes each prompt unique anyway."""


def of_lengths(lengths: Sequence[Length]) -> tuple[Prompt, ...]:
    """Create prompts of these lengths in turn.

    Every text ends with the same task, which has a short answer, so that only the length of the
    input differs.
    """
    return tuple(
        Prompt(_text(length, number), f"{length.value} tokens")
        for number in range(_TEXTS)
        for length in lengths
    )


def _text(length: Length, number: int) -> str:
    return text_of(
        length.tokens, f"Pass over the text above. {DEFAULT_PROMPT}", f"{length}/{number}"
    )


def text_of(tokens: int, task: str, seed: str) -> str:
    """Create a text of about this many tokens, with a task at its end."""
    random = Random(seed)
    wanted = tokens * _WORDS_PER_TOKEN - len(task.split())
    sentences: list[str] = []
    words = 0
    while words < wanted:
        parts = (random.choice(choice) for choice in (_WHO, _DOES, _WHAT, _WHERE))
        sentences.append(f"{' '.join(parts)}.")
        words += len(sentences[-1].split())
    return "\n\n".join(filter(None, (" ".join(sentences), task)))
