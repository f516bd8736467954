"""Regular expressions with guaranteed linear time.

Python's engine backtracks: with a pattern such as ``(a+)+$``, an answer of a few dozen characters
blocks it practically forever, and with it every stream that the loop reads. The engine of
pydantic-core, Rust's crate ``regex``, takes time proportional to the answer, for any answer. In
return, it has no lookaround and no backreferences.
"""

from __future__ import annotations

import re

from pydantic_core import SchemaError, SchemaValidator, core_schema

_MARK = re.compile(r"\n( +)(\^+)\n")


class Pattern:
    """A regular expression, ready to be searched for."""

    def __init__(self, pattern: str) -> None:
        """:raises ValueError: it is none that the engine understands."""
        schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
        try:
            self._validator = SchemaValidator(schema)
        except SchemaError as error:
            reason = _reason(str(error))
            raise ValueError(f"is not a regular expression in Rust's syntax: {reason}") from None

    def is_in(self, text: str) -> bool:
        """Whether it is found somewhere in a text."""
        return self._validator.isinstance_python(text)


def _reason(report: str) -> str:
    """What is wrong, on one line. The engine's report shows the pattern, marks the part of it that
    is meant, if it is one, and gives the reason last."""
    reason = report.rpartition("error: ")[2].rpartition("SchemaError: ")[2]
    mark = _MARK.search(report)
    if mark is None:
        return reason
    shown = report[: mark.start()].rpartition("\n")[2]
    before, marked = map(len, mark.groups())
    return f"{shown[before : before + marked]!r}: {reason}"
