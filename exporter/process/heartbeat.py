"""Watches the probing loop itself: how late it wakes up, and whether the clock was changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

_BEAT_SECONDS = 0.5
_CLOCK_STEP_SECONDS = 1.0

log = structlog.get_logger(__name__)


async def watch_loop(on_lag: Callable[[float], None], on_clock_set: Callable[[], None]) -> None:
    """Report each beat's lateness in seconds, and every step of the wall clock, until
    cancelled.

    The scheduler sleeps towards wall-clock times: after the clock is set back by an hour it
    would sleep an hour too long.
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
