"""A thread that computes sleeps in between, so that others get the interpreter."""

from __future__ import annotations

import time

import pytest

from exporter.process.pauses import Pauses


def test_a_computation_sleeps_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    began, pause, calls = time.monotonic(), Pauses(), 0
    while time.monotonic() < began + 0.05:
        pause()
        calls += 1
    assert 1 < len(slept) <= 50
    assert len(slept) < calls
    assert min(slept) > 0
