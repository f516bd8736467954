"""The part of the configuration that is about what is asked."""

from __future__ import annotations

from functools import cached_property
from typing import Self

from pydantic import Field, JsonValue, field_validator, model_validator

from exporter.settings.pattern import Pattern
from exporter.settings.prompts import LoadedPrompts
from exporter.settings.types import Model


class Expectation(Model):
    """What a right answer looks like; every given condition must hold."""

    regex: str | None = None
    """A regular expression in Rust's syntax that must be found somewhere in the answer."""
    contains: str | None = None
    """Text that the answer must contain."""
    answer_json: bool | dict[str, JsonValue] | None = Field(default=None, alias="json")
    """``true``: the answer must be JSON; a mapping: a JSON object that has these members."""

    @field_validator("regex")
    @classmethod
    def _regex_compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            Pattern(pattern)
        return pattern

    @cached_property
    def pattern(self) -> Pattern | None:
        """``regex``, ready to be searched for."""
        return None if self.regex is None else Pattern(self.regex)


class Probe(Model):
    """What is asked."""

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
    def prompts(self) -> tuple[str, ...]:
        """What to send, in turn; at least one text."""
        return self.prompts_file.prompts if self.prompts_file else (self.prompt or "",)

    @cached_property
    def longest_prompt_bytes(self) -> int:
        """How long any of the prompts is at most, as UTF-8."""
        return max(len(prompt.encode()) for prompt in self.prompts)


DEFAULT_PROMPT = "Count from 1 to 20, separated by spaces."
DEFAULT_PROBES = {
    "short": Probe(
        prompt=DEFAULT_PROMPT,
        max_output_tokens=64,
        expect=Expectation(regex=r"\b20\b"),
    )
}
