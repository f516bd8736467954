"""A thread that computes leaves the interpreter to the others half of the time."""

from __future__ import annotations

import time

from exporter.process.pauses import Pauses


def test_a_computation_with_pauses_uses_a_part_of_its_time() -> None:
    pause = Pauses()
    began, cpu = time.monotonic(), time.thread_time()
    for _ in range(200):
        until = time.thread_time() + 0.0005
        while time.thread_time() < until:
            pass
        pause()
    assert time.thread_time() - cpu < 0.8 * (time.monotonic() - began)
