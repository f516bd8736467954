"""The kind ``cached_prefix``: sends the same long prompt twice in a row, so that the second request
can use the provider's prompt cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import ClassVar, Literal

from pydantic import Field

from exporter.kinds.base import Heard, Probe, Size, unanswered
from exporter.providers.asks import ChatAsk, Kind, Reasoning
from exporter.providers.base import Call
from exporter.result import Failure, FailureReason, Measures, ProbeResult
from exporter.settings.prompts import NONCE_CHARACTERS, with_nonce
from exporter.settings.types import Duration, Model

_QUESTION = "Pass over the notes above. Answer with the word OK."
_TOKENS_PER_NOTE = 13
"""Slightly below the number that the tokenizers of GPT, Llama, and Qwen models need per note."""


class CachedPrefixExpectation(Model):
    """What a working cache returns."""

    cached_ratio: float = Field(gt=0, le=1)
    """The share of the second prompt that must come from the cache."""


class CachedPrefix(Probe):
    """The same long prompt, sent twice."""

    kind: Literal[Kind.CACHED_PREFIX]
    prefix_tokens: int = Field(default=2048, ge=64, le=100_000)
    """The approximate length of the prompt. Most providers cache prompts of at least 1,024 tokens,
    some only from 4,096 tokens."""
    pause: Duration = 1.0
    """The pause between the first response and the second request."""
    max_output_tokens: int = Field(default=16, ge=1, le=100_000)
    reasoning: Reasoning | None = None
    """How much the model reasons before it answers. Defaults to the model's own behavior."""
    expect: CachedPrefixExpectation | None = None

    rounds: ClassVar[int] = 2

    @property
    def seconds_between_rounds(self) -> float:
        return self.pause

    @cached_property
    def size(self) -> Size:
        text = _prefix(self.prefix_tokens) + _QUESTION
        once = len(text) + NONCE_CHARACTERS
        return Size(2 * once, 2 * once, 2 * self.max_output_tokens)

    def ask(self, text: str, nonce: str) -> ChatAsk:
        """Both requests have the same nonce, so only the first can put the prompt in the cache."""
        return ChatAsk(
            _QUESTION,
            self.max_output_tokens,
            system=with_nonce(_prefix(self.prefix_tokens), nonce),
            caches_system=True,
            reasoning=self.reasoning,
        )

    def judge(self, heard: Heard, call: Call[ChatAsk]) -> Failure | None:
        return unanswered(heard)

    def together(self, results: Sequence[ProbeResult]) -> ProbeResult:
        """The second result, compared with the times and tokens of the first. A missing cache hit
        is a failure only if ``expect`` is set."""
        *before, last = results
        if not before:
            return last
        cold, usage = before[0], last.usage
        last = replace(last, earlier_usage=cold.usage, earlier_uncounted=cold.usage is None)
        if last.failure:
            return last
        ratio = usage.cached_input / usage.input if usage and usage.input else None
        measures = Measures(
            cold_first_token_seconds=cold.time_to_first_token_seconds,
            cached_first_token_seconds=last.time_to_first_token_seconds,
            cached_input_ratio=None if ratio is None else min(ratio, 1.0),
        )
        return replace(last, measures=measures, failure=self._failure(ratio))

    def _failure(self, ratio: float | None) -> Failure | None:
        if self.expect is None or (ratio or 0.0) >= self.expect.cached_ratio:
            return None
        found = "an unknown share" if ratio is None else f"{ratio:.0%}"
        wrong = f"{found} of the prompt came from the cache, not {self.expect.cached_ratio:.0%}"
        if ratio is None:
            wrong += ": the provider doesn't report it"
        return Failure(FailureReason.WRONG_ANSWER, wrong)


@cache
def _prefix(tokens: int) -> str:
    notes = range(1, tokens // _TOKENS_PER_NOTE + 2)
    return " ".join(f"Note {n}: the baker carries a red lamp near the river." for n in notes)
