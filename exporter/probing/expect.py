"""Whether an answer is the one that a probe expects."""

from __future__ import annotations

import json

from exporter.config.probe import Expectation


def mistake(answer: str, expectation: Expectation) -> str | None:
    """What is wrong with the answer; ``None`` where nothing is."""
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
        if name not in value or not _same(value[name], member):
            return f"member {name!r} of the answer is not {json.dumps(member)}"
    return None


def _same(value: object, wanted: object) -> bool:
    """Equality as JSON has it: in Python, ``True`` would equal 1."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, dict) and isinstance(wanted, dict):
        return value.keys() == wanted.keys() and all(_same(value[k], wanted[k]) for k in value)
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(_same, value, wanted))
    return value == wanted
