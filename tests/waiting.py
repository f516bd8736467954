"""Helpers to wait for a process that can be late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

timed = pytest.mark.flaky(reruns=9, only_rerun=["AssertionError"])
"""For tests that compare measured times with a script. On a busy machine, one run can be late. A
wrong measurement fails in every run."""


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.01)
