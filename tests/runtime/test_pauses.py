"""A thread that computes sleeps in between, so that others get the interpreter."""

from __future__ import annotations

import asyncio
import time

import pytest

from exporter.process import pauses
from exporter.process.loop import ProbingLoop, last_idle
from exporter.process.pauses import Pauses
from tests.process import eventually
from tests.waiting import timed


def test_a_computation_sleeps_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    began, pause, calls = time.monotonic(), Pauses(time.monotonic_ns), 0
    while len(slept) < 20:
        pause()
        calls += 1
    assert len(slept) <= (time.monotonic() - began) / 0.001
    assert len(slept) < calls
    assert min(slept) > 0


def test_it_sleeps_until_the_loop_has_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "_LONGEST_PAUSE_SECONDS", 60.0)
    monkeypatch.setattr(pauses, "_PATIENCE_SECONDS", 60.0)
    asked: list[int] = []

    def last_idle() -> int:
        asked.append(time.monotonic_ns())
        return asked[-1] if len(asked) == 4 else 0

    pause = Pauses(last_idle)
    time.sleep(0.002)
    pause()
    assert len(asked) == 4


@timed
def test_a_loop_that_never_catches_up_does_not_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "_LONGEST_PAUSE_SECONDS", 60.0)
    monkeypatch.setattr(pauses, "_PATIENCE_SECONDS", 0.05)
    asked: list[float] = []

    def last_idle() -> int:
        asked.append(time.monotonic())
        return 0

    pause = Pauses(last_idle)
    for _ in range(2):
        time.sleep(0.002)
        pause()
    in_first_pause = len(asked)
    time.sleep(0.002)
    pause()
    assert in_first_pause > 1
    assert len(asked) <= in_first_pause + 1


def test_a_loop_tells_when_it_last_had_nothing_to_do() -> None:
    async def look() -> None:
        loop = asyncio.get_running_loop()
        at_first = last_idle(loop)
        time.sleep(0.01)  # noqa: ASYNC251  it must not be idle
        assert last_idle(loop) == at_first
        await asyncio.sleep(0.01)
        assert last_idle(loop) > at_first
        began = time.monotonic_ns()
        await asyncio.to_thread(eventually, lambda: last_idle(loop) > began)

    with asyncio.Runner(loop_factory=ProbingLoop) as runner:
        runner.run(look())
