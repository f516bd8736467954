"""Durations: valid ones, invalid ones, and round trips."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings.units import DURATION_PATTERN, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("1.5s", 1.5),
        ("5m", 300),
        ("1h30m", 5400),
        ("1d", 86400),
        ("2w", 1209600),
        ("1m30s500ms", 90.5),
        ("30", 30),
        ("0.25", 0.25),
        (30, 30),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_read(text: object, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", "s", "30 s", "1s1m", "1h1h", "-5s", "1:30", "5S", "1e3", ".5s", "5sec", "5s\n"),
        *("\u0663s", True, None, [30]),
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="500ms, 30s, 5m or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.25, "250ms"), (30, "30s"), (90, "1m30s"), (3600, "1h"), (129600, "1d12h")],
)
def test_a_duration_is_written_as_prometheus_does(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(0, 10**12))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    text = format_duration(milliseconds / 1000)
    assert re.search(DURATION_PATTERN, text)
    assert parse_duration(text) == pytest.approx(milliseconds / 1000, abs=1e-4)
