"""One timer for all the timeouts of a probe."""

from __future__ import annotations

import asyncio
import time

from exporter.config.plan import Timeouts
from exporter.probing.deadlines import Deadlines


async def test_the_end_marker_holds_even_in_the_turn_in_which_the_time_ran_out() -> None:
    async with Deadlines(Timeouts(total=0.01)) as deadlines:
        time.sleep(0.02)  # noqa: ASYNC251 - the time runs out while the loop is held up
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the timer has gone off; the probe is not yet cancelled
        deadlines.ended()
        await asyncio.sleep(0.01)
