"""Monitors the probing loop: how late it wakes up, and whether the system clock changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

_BEAT_SECONDS = 0.5
_CLOCK_STEP_SECONDS = 1.0

log = structlog.get_logger(__name__)


async def watch_loop(on_lag: Callable[[float], None], on_clock_set: Callable[[], None]) -> None:
    """Report how late each wake-up is, in seconds, and every step of the wall clock, until
    cancelled.

    The scheduler sleeps until wall-clock times. If the clock is set back by an hour, it would
    sleep an hour too long.
    """
    offset = time.time() - time.monotonic()
    while True:
        started = time.monotonic()
        await asyncio.sleep(_BEAT_SECONDS)
        on_lag(max(0.0, time.monotonic() - started - _BEAT_SECONDS))
        step = time.time() - time.monotonic() - offset
        if abs(step) > _CLOCK_STEP_SECONDS:
            log.warning("the system clock was changed", step_seconds=round(step, 3))
            offset += step
            on_clock_set()
