"""Waiting for what a late process may do late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

timed = pytest.mark.flaky(reruns=9, only_rerun=["AssertionError"])
"""For a test that compares measured times with a script. A busy machine makes one run late; a wrong
measurement makes every run wrong."""


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for a condition to hold."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.01)
