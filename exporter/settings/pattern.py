"""Regular expressions with guaranteed linear time.

Python's engine backtracks: with a pattern such as ``(a+)+$``, an answer of a few dozen characters
blocks it practically forever, and with it every stream that the loop reads. pydantic-core uses
Rust's crate ``regex``, whose time is proportional to the length of the answer, for any answer. In
return, it has no lookaround and no backreferences.
"""

from __future__ import annotations

import re

from pydantic_core import SchemaError, SchemaValidator, core_schema

_MARK = re.compile(r"\n( +)(\^+)\n")


class Pattern:
    """A compiled regular expression."""

    def __init__(self, pattern: str) -> None:
        """:raises ValueError: the engine doesn't support the pattern."""
        schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
        try:
            self._validator = SchemaValidator(schema)
        except SchemaError as error:
            reason = _reason(str(error))
            raise ValueError(f"is not a regular expression in Rust's syntax: {reason}") from None

    def is_in(self, text: str) -> bool:
        """Whether the pattern matches somewhere in a text."""
        return self._validator.isinstance_python(text)


def _reason(report: str) -> str:
    """Summarize the engine's report on one line.

    The report shows the pattern, may mark the part that is wrong, and ends with the reason.
    """
    reason = report.rpartition("error: ")[2].rpartition("SchemaError: ")[2]
    mark = _MARK.search(report)
    if mark is None:
        return reason
    shown = report[: mark.start()].rpartition("\n")[2]
    before, marked = map(len, mark.groups())
    return f"{shown[before : before + marked]!r}: {reason}"
