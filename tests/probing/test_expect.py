"""Whether an answer is the expected one, and the message if it isn't."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from exporter.kinds.expect import Expectation, mistake


def said(answer: str, **expect: Any) -> str | None:
    return mistake(answer, Expectation.model_validate(expect))


@pytest.mark.parametrize(
    ("expect", "answer"),
    [
        ({}, ""),
        ({}, "anything"),
        ({"regex": "^1 .*20$"}, "1 2 20"),
        ({"regex": "(?i)paris"}, "It is PARIS."),
        ({"regex": r"^b\s*$"}, "b\n"),
        ({"regex": "(?m)^b$"}, "a\nb\nc"),
        ({"regex": r"^caf\w \d$"}, "café ٣"),
        ({"contains": "a.c"}, "xa.cx"),
        ({"contains": "é"}, "café"),
        ({"json": True}, " [1, 2] \n"),
        ({"json": True}, "null"),
        ({"json": False}, "not JSON"),
        ({"json": {}}, "{}"),
        ({"json": {"a": None}}, '{"a": null}'),
        ({"json": {"a": [1, {"b": 2}]}}, '{"a": [1, {"b": 2}], "c": 3}'),
        ({"json": {"a": 1.0}}, '{"a": 1}'),
        ({"regex": "a", "contains": "b", "json": True}, '"ab"'),
    ],
)
def test_a_right_answer_is_no_mistake(expect: dict[str, Any], answer: str) -> None:
    assert said(answer, **expect) is None


@pytest.mark.parametrize(
    ("expect", "answer", "wrong"),
    [
        ({"regex": r"\b20\b"}, "1 200", r"the answer does not match '\\b20\\b'"),
        ({"regex": r"\b20\b"}, "à20é", r"the answer does not match '\\b20\\b'"),
        ({"regex": "^b"}, "a\nb", "the answer does not match '^b'"),
        ({"regex": "^b$"}, "b\n", "the answer does not match '^b$'"),
        ({"contains": "a.c"}, "abc", "the answer does not contain 'a.c'"),
        ({"json": True}, "", "the answer is not JSON"),
        ({"json": True}, "```json\n{}\n```", "the answer is not JSON"),
        ({"json": True}, "[" * 100_000, "the answer is not JSON"),
        ({"json": {"a": 1}}, "[1]", "the answer is JSON, but not an object"),
        ({"json": {"a": 1}}, '{"b": 1}', "member 'a' of the answer is not 1"),
        ({"json": {"a": None}}, "{}", "member 'a' of the answer is not null"),
        ({"json": {"a": "x"}}, '{"a": "y"}', "member 'a' of the answer is not \"x\""),
        ({"regex": "a", "contains": "b"}, "a", "the answer does not contain 'b'"),
    ],
)
def test_a_wrong_answer_is_told_by_the_condition_that_it_breaks(
    expect: dict[str, Any], answer: str, wrong: str
) -> None:
    assert said(answer, **expect) == wrong


def test_true_is_not_one() -> None:
    """They are equal in Python, but not in JSON."""
    assert said('{"a": 1}', json={"a": True}) == "member 'a' of the answer is not true"
    assert said('{"a": [false]}', json={"a": [0]}) == "member 'a' of the answer is not [0]"


@pytest.mark.parametrize(
    ("regex", "wrong"),
    [
        ("(a", "'(': unclosed group"),
        ("(?=a)", "'(?=': look-around, including look-ahead and look-behind, is not supported"),
        (r"(a)\1", r"'\\1': backreferences are not supported"),
        (r"20\Z", r"'\\Z': unrecognized escape sequence"),
        ("(?P<n>a)(?P<n>b)", "duplicate capture group name"),
        ("a\n(", "'(': unclosed group"),
        ("(a{1000}){1000}", "Compiled regex exceeds size limit of 10485760 bytes."),
    ],
)
def test_what_the_engine_does_not_know_is_said_at_once(regex: str, wrong: str) -> None:
    with pytest.raises(ValidationError) as error:
        Expectation(regex=regex)
    (mistake,) = error.value.errors()
    assert str(mistake["ctx"]["error"]).endswith(f"in Rust's syntax: {wrong}")


_ENDLESS_WITH_BACKTRACKING = """
from exporter.kinds.expect import Expectation, mistake
print(mistake("a" * 100_000 + "b", Expectation(regex="(a+)+$")))
"""


def test_no_answer_makes_a_pattern_take_for_ever() -> None:
    """Run in a separate process, because nothing can stop an endless search."""
    command = [sys.executable, "-c", _ENDLESS_WITH_BACKTRACKING]
    said = subprocess.run(command, capture_output=True, text=True, timeout=150, check=True)
    assert said.stdout == "the answer does not match '(a+)+$'\n"


def test_an_expectation_that_was_used_equals_one_that_was_not() -> None:
    """Otherwise, a reload would treat every plan as new."""
    used, unused = Expectation(regex="a"), Expectation(regex="a")
    assert mistake("a", used) is None
    assert used == unused
