"""Checks whether an answer is what a probe expects."""

from __future__ import annotations

import json
from functools import cached_property

from pydantic import Field, JsonValue, field_validator

from exporter.settings.pattern import Pattern
from exporter.settings.types import Model


class ToolExpectation(Model):
    """What a correct call looks like."""

    name: str | None = None
    """The tool that the model must call. Defaults to any of the tools."""
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """Members that the arguments must have, as JSON."""


class Expectation(Model):
    """What a correct answer looks like. All conditions must hold."""

    regex: str | None = None
    """A regular expression in Rust's syntax that must match somewhere in the answer."""
    contains: str | None = None
    """Text that the answer must contain."""
    answer_json: bool | dict[str, JsonValue] | None = Field(default=None, alias="json")
    """``true``: the answer must be JSON. A mapping: it must be a JSON object with these members."""
    tool: ToolExpectation | None = None
    """The tool that the model must call, and the arguments."""

    @field_validator("regex")
    @classmethod
    def _regex_compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            Pattern(pattern)
        return pattern

    @cached_property
    def pattern(self) -> Pattern | None:
        """``regex``, compiled."""
        return None if self.regex is None else Pattern(self.regex)


def mistake(answer: str, expectation: Expectation) -> str | None:
    """What is wrong with the answer; ``None`` if nothing is."""
    if expectation.contains is not None and expectation.contains not in answer:
        return f"the answer does not contain {expectation.contains!r}"
    if expectation.pattern is not None and not expectation.pattern.is_in(answer):
        return f"the answer does not match {expectation.regex!r}"
    if expectation.answer_json not in (None, False):
        return _json_mistake(answer, expectation.answer_json)
    return None


def _json_mistake(answer: str, wanted: object) -> str | None:
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return "the answer is not JSON"
    if not isinstance(wanted, dict):
        return None
    if not isinstance(value, dict):
        return "the answer is JSON, but not an object"
    for name, member in wanted.items():
        if name not in value or not same(value[name], member):
            return f"member {name!r} of the answer is not {json.dumps(member)}"
    return None


def same(value: object, wanted: object) -> bool:
    """Whether two JSON values are equal. Python's own comparison would equate ``True`` and 1."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, dict) and isinstance(wanted, dict):
        return value.keys() == wanted.keys() and all(same(value[k], wanted[k]) for k in value)
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(same, value, wanted))
    return value == wanted
