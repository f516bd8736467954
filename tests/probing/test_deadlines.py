"""One timer for all timeouts of a probe."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from exporter.config.plan import Timeouts
from exporter.net.exchange import Exchange
from exporter.probing.deadlines import Deadlines
from exporter.process import loop
from exporter.result import NANOSECONDS, FailureReason, ProbeResult
from tests.probing.test_probe import ENDING, ROLE, TOKEN, ask, event, plan_for, reason
from tests.wire import STREAM_HEAD, Act, Step, wire_server

TIGHT = Timeouts(total=10, first_token=0.5, stall=0.5)


async def test_the_end_marker_holds_even_in_the_turn_in_which_the_time_ran_out() -> None:
    async with Deadlines(Timeouts(total=0.01), Exchange()) as deadlines:
        time.sleep(0.02)  # noqa: ASYNC251 - the time runs out while the loop is held up
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the timer has fired, but the probe isn't canceled yet
        deadlines.ended()
        await asyncio.sleep(0.01)


def asked(script: list[Step], timeouts: Timeouts, held_up: float = 0.0) -> ProbeResult:
    """Run one probe, on a loop that is blocked for a while after the request was sent."""

    async def main() -> ProbeResult:
        probe = asyncio.create_task(ask(replace(plan_for(server), timeouts=timeouts)))
        while not server.requests:  # noqa: ASYNC110 - another thread fills it
            await asyncio.sleep(0.005)
        time.sleep(held_up)  # noqa: ASYNC251 - nobody reads meanwhile
        return await probe

    with wire_server(script) as server:
        return loop.run(main())


@pytest.mark.parametrize(
    "script",
    [
        [0.05, STREAM_HEAD + ROLE, TOKEN, ENDING],
        [STREAM_HEAD + ROLE, TOKEN, 0.05, TOKEN, 0.05, ENDING],
    ],
    ids=["first token", "stall"],
)
def test_what_the_kernel_had_received_in_time_is_in_time(script: list[Step]) -> None:
    """On a busy machine, the server can be late once, but not ten times."""
    assert any(asked(script, TIGHT, held_up=1.0).success for _ in range(10))


async def test_each_output_restarts_the_stall_timeout() -> None:
    async with Deadlines(Timeouts(total=60, stall=0.01), Exchange()) as deadlines:
        now = time.monotonic_ns()
        deadlines.output(now)
        deadlines.output(now + 60 * NANOSECONDS)
        await asyncio.sleep(0.05)


def test_a_deadline_that_ran_out_while_nobody_looked_says_nothing_of_the_provider() -> None:
    result = asked([STREAM_HEAD + ROLE, Act.HANG], TIGHT, held_up=1.0)
    assert reason(result) is FailureReason.TIMEOUT_FIRST_TOKEN
    assert result.interrupted


def test_a_provider_that_hangs_while_the_exporter_runs_is_to_blame() -> None:
    """On a busy machine, the exporter is late often, but not always."""
    timeouts = Timeouts(total=0.1)
    results = (asked([STREAM_HEAD + ROLE, Act.HANG], timeouts) for _ in range(100))
    assert any(
        reason(result) is FailureReason.TIMEOUT_TOTAL and not result.interrupted
        for result in results
    )


def test_an_error_that_the_provider_told_stands_even_if_a_deadline_was_missed() -> None:
    error = event(error={"message": "slow down", "code": 429})
    results = (asked([STREAM_HEAD + error, Act.HANG], TIGHT, held_up=1.0) for _ in range(10))
    assert any(
        reason(result) is FailureReason.RATE_LIMITED and not result.interrupted
        for result in results
    )
