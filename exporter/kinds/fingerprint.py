"""The kind ``fingerprint``: fixed short prompts with deterministic sampling, so that different
answers reveal an unannounced change of the model."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from pydantic import Field

from exporter.kinds.base import Heard, Probe, Size, unanswered
from exporter.kinds.embeddings import Text
from exporter.providers.asks import ChatAsk, Kind, Reasoning
from exporter.providers.base import Call, OutputKind
from exporter.result import Failure, Fingerprint, Measures

DEFAULT_PROMPTS = (
    "Continue with one short sentence: The lamp by the river went out, and",
    "Name five animals that nobody would keep at home, separated by commas.",
    "Write a title for a novel about a night train.",
    "What is 17 times 24? Explain in one sentence.",
    "Translate into French: The bakers wake before the train arrives.",
    "Complete the line of code: def is_leap_year(year):",
    "Describe the taste of rain in five words.",
    "Which is heavier, and why: a litre of milk or a litre of oil?",
    "Invent a name for a shop that sells only umbrellas and old maps.",
    "Give a synonym for each: brave, thin, clever, angry.",
)
"""Questions with many good answers, so that a small change of the model selects another one."""


class FingerprintProbe(Probe):
    """Fixed prompts, one for each probe in turn."""

    kind: Literal[Kind.FINGERPRINT]
    prompts: tuple[Text, ...] = Field(default=DEFAULT_PROMPTS, min_length=1, max_length=64)
    """The prompts to send in turn, without a nonce, which would change the prompt."""
    max_output_tokens: int = Field(default=16, ge=1, le=100_000)
    logprobs: bool | None = None
    """Whether to request the probabilities of the first token. Defaults to true for servers that
    are known to report them."""
    reasoning: Reasoning | None = None
    """How much the model reasons before it answers. Defaults to the model's own behavior."""

    @property
    def texts(self) -> tuple[str, ...]:
        return self.prompts

    @cached_property
    def size(self) -> Size:
        longest = max(len(prompt.encode()) for prompt in self.prompts)
        average = sum(map(len, self.prompts)) / len(self.prompts)
        return Size(average, longest, self.max_output_tokens)

    def ask(self, text: str, nonce: str) -> ChatAsk:
        return ChatAsk(
            text,
            self.max_output_tokens,
            reasoning=self.reasoning,
            greedy=True,
            logprobs=self.logprobs,
        )

    def judge(self, heard: Heard, call: Call[ChatAsk]) -> Failure | None:
        return unanswered(heard)

    def measures(self, heard: Heard, call: Call[ChatAsk]) -> Measures:
        said = heard.text(OutputKind.REASONING) + heard.text(OutputKind.ANSWER)
        seen = Fingerprint(call.ask.prompt, said.strip(), heard.first_likelihoods)
        return Measures(fingerprint=seen)
