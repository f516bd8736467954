"""The kind ``chat``: a prompt whose answer is streamed."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, Self

from pydantic import Field, model_validator

from exporter.kinds.base import Heard, Probe, Size
from exporter.kinds.expect import Expectation, mistake
from exporter.providers.asks import ChatAsk, Kind
from exporter.providers.base import OutputKind
from exporter.result import Failure, FailureReason
from exporter.settings.prompts import NONCE_CHARACTERS, LoadedPrompts, with_nonce


class Chat(Probe):
    """A prompt, streamed."""

    kind: Literal[Kind.CHAT] = Kind.CHAT
    prompt: str | None = Field(default=None, min_length=1)
    """The text to send; a fresh nonce is put before it."""
    prompts_file: LoadedPrompts | None = None
    """JSON lines, each ``{"prompt": "..."}``; probes take them in turn."""
    max_output_tokens: int = Field(default=64, ge=1, le=100_000)
    expect: Expectation | None = None

    @model_validator(mode="after")
    def _exactly_one_source(self) -> Self:
        if (self.prompt is None) == (self.prompts_file is None):
            raise ValueError("set exactly one of prompt and prompts_file")
        return self

    @property
    def texts(self) -> tuple[str, ...]:
        return self.prompts_file.prompts if self.prompts_file else (self.prompt or "",)

    @cached_property
    def size(self) -> Size:
        return Size(
            sum(map(len, self.texts)) / len(self.texts) + NONCE_CHARACTERS,
            max(len(text.encode()) for text in self.texts) + NONCE_CHARACTERS,
            self.max_output_tokens,
        )

    def ask(self, text: str, nonce: str) -> ChatAsk:
        return ChatAsk(with_nonce(text, nonce), self.max_output_tokens)

    def judge(self, heard: Heard, model: str) -> Failure | None:
        if refusal := heard.text(OutputKind.REFUSAL):
            return Failure(FailureReason.REFUSAL, f"the model refused: {refusal}")
        if not heard.has_output:
            return Failure(FailureReason.EMPTY, "the stream held no output")
        wrong = mistake(heard.text(OutputKind.ANSWER), self.expect) if self.expect else None
        return Failure(FailureReason.WRONG_ANSWER, wrong) if wrong else None


DEFAULT_PROMPT = "Count from 1 to 20, separated by spaces."
DEFAULT_PROBES = {
    "short": Chat(
        prompt=DEFAULT_PROMPT,
        max_output_tokens=64,
        expect=Expectation(regex=r"\b20\b"),
    )
}
