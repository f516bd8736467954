"""A result knows how far off it can be."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from dataclasses import replace

import pytest

from exporter.metrics.registry import Metrics
from exporter.net.exchange import Exchange
from exporter.net.kernel_clock import Arrival
from exporter.probing.record import StreamRecord
from exporter.process import loop, selector
from exporter.providers.base import Ended, Output, OutputKind
from exporter.result import Failure, FailureReason, ProbeResult
from tests.metrics.test_metrics import GOOD, plan
from tests.observing import ToldMetrics
from tests.probing.test_probe import ENDING, ROLE, TOKEN, ask, plan_for
from tests.shown import families
from tests.waiting import timed
from tests.wire import STREAM_HEAD, Step, wire_server

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives receive times for TCP")
TOKEN_EVENT = Output(OutputKind.ANSWER, "x")
MS = 1_000_000


def asked(script: list[Step], blocked_seconds: float = 0.0) -> ProbeResult:
    """Run one probe, on a loop that is blocked by other work for a while."""

    async def main() -> ProbeResult:
        probe = asyncio.create_task(ask(plan_for(server)))
        while not server.requests:  # noqa: ASYNC110 - another thread fills it
            await asyncio.sleep(0.01)
        time.sleep(blocked_seconds)  # noqa: ASYNC251 - nobody reads meanwhile
        return await probe

    with wire_server(script) as server:
        return loop.run(main())


@timed
@LINUX
def test_a_late_read_of_several_tokens_is_uncertain_by_the_time_that_nobody_looked() -> None:
    result = asked([STREAM_HEAD + ROLE, 0.1, TOKEN, 0.1, TOKEN, 0.5, ENDING], blocked_seconds=0.4)
    assert result.success
    assert result.uncertainty_seconds is not None
    assert 0.09 < result.uncertainty_seconds < 0.5


@timed
@LINUX
def test_a_late_read_whose_last_event_is_the_token_is_exact() -> None:
    result = asked([0.1, STREAM_HEAD + ROLE, TOKEN, 0.6, ENDING], blocked_seconds=0.3)
    assert result.lag_seconds is not None
    assert result.uncertainty_seconds is not None
    assert result.lag_seconds > 0.1
    assert result.uncertainty_seconds < 0.1


@timed
@LINUX
def test_a_prompt_read_of_several_events_is_certain_whatever_the_silence_before_it() -> None:
    result = asked([STREAM_HEAD, 0.5, ROLE + TOKEN + TOKEN, 0.3, ENDING])
    assert result.uncertainty_seconds is not None
    assert result.uncertainty_seconds < 0.25


@LINUX
@pytest.mark.parametrize(("waiting", "is_noticed"), [(1, True), (65, False)])
def test_the_loop_glances_rarely_while_many_probes_wait(
    waiting: int, is_noticed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selector, "_RARE_GLANCE_NS", 60_000_000_000)

    async def main() -> int:
        running = asyncio.get_running_loop()
        assert isinstance(running, loop.ProbingLoop)
        for _ in range(waiting):
            running.watch()
        sock, other_end = socket.socketpair()
        with sock, other_end:
            running.add_reader(sock, lambda: None)
            await asyncio.sleep(0.01)
            other_end.send(b"x")
            time.sleep(0.01)  # noqa: ASYNC251 - long work
            loop.glance()
            since = running.attentive_since_ns(sock.fileno())
            running.remove_reader(sock)
        return since

    assert bool(loop.run(main())) is is_noticed


@LINUX
def test_a_glance_in_the_middle_of_long_work_tells_what_was_empty_then() -> None:
    """For sockets that were already readable, it adds nothing to the previous poll."""

    async def main() -> tuple[int, int, int, int]:
        running = asyncio.get_running_loop()
        assert isinstance(running, loop.ProbingLoop)
        since: dict[int, int] = {}
        done = running.create_future()

        def read(sock: socket.socket) -> None:
            since[sock.fileno()] = running.attentive_since_ns(sock.fileno())
            sock.recv(1)
            if len(since) == 2:
                done.set_result(None)

        (early, early_end), (late, late_end) = socket.socketpair(), socket.socketpair()
        numbers = early.fileno(), late.fileno()
        with early, early_end, late, late_end:
            running.watch()
            for sock in (early, late):
                running.add_reader(sock, read, sock)
            await asyncio.sleep(0.01)
            began = time.monotonic_ns()
            early_end.send(b"x")
            time.sleep(0.05)  # noqa: ASYNC251 - long work
            before_glance = time.monotonic_ns()
            loop.glance()
            late_end.send(b"x")
            await done
            running.unwatch()
            for sock in (early, late):
                running.remove_reader(sock)
        return began, before_glance, since[numbers[0]], since[numbers[1]]

    began, before_glance, early, late = loop.run(main())
    assert early < began
    assert late >= before_glance


@LINUX
def test_a_glance_before_a_read_makes_what_waits_no_younger() -> None:
    """The loop has found two readable sockets, and long work comes before the second read."""

    async def main() -> tuple[int, int]:
        running = asyncio.get_running_loop()
        assert isinstance(running, loop.ProbingLoop)
        done = running.create_future()

        def read(sock: socket.socket) -> None:
            done.set_result(running.attentive_since_ns(sock.fileno()))

        def long_work() -> None:
            time.sleep(0.02)
            loop.glance()

        near, far = socket.socketpair()
        with near, far:
            running.watch()
            running.add_reader(near, read, near)
            await asyncio.sleep(0.01)
            began = time.monotonic_ns()
            far.send(b"x")
            running.call_soon(long_work)
            since = await done
            running.unwatch()
            running.remove_reader(near)
        return began, since

    began, since = loop.run(main())
    assert since < began


@pytest.mark.parametrize(
    ("arrival", "last", "uncertainty"),
    [
        (Arrival(at=0, lag=5, waited=9), True, 0),
        (Arrival(at=0, lag=5, waited=9), False, 4),
        (Arrival(at=0, lag=5, waited=3), False, 0),
        (Arrival(at=0, lag=5, waited=None), False, 5),
        (Arrival(at=0, lag=None, waited=9), True, 9),
        (Arrival(at=0, lag=None, waited=None), True, None),
    ],
)
def test_only_what_came_last_in_a_read_has_the_kernels_stamp(
    arrival: Arrival, last: bool, uncertainty: int | None
) -> None:
    assert arrival.uncertainty(last=last) == uncertainty


def test_the_least_certain_mark_decides() -> None:
    record = StreamRecord()
    record.take([TOKEN_EVENT, TOKEN_EVENT], Arrival(at=0, lag=1, waited=8))
    assert record.uncertainty == 7
    record.take([TOKEN_EVENT], Arrival(at=0, lag=1, waited=90))
    assert record.uncertainty == 7
    record.take([TOKEN_EVENT, Ended()], Arrival(at=0, lag=1, waited=50))
    assert record.uncertainty == 49


def test_one_read_may_come_in_several_parts() -> None:
    read, record = Arrival(at=0, lag=1, waited=8), StreamRecord()
    record.take([TOKEN_EVENT], read)
    assert record.uncertainty == 0
    record.take([TOKEN_EVENT], read)  # TLS: the next record of the same read
    assert record.uncertainty == 7


def test_bytes_without_an_event_outrun_a_mark_too() -> None:
    """A ping after a token has the timestamp that the token lacks."""
    read, record = Arrival(at=0, lag=1, waited=8), StreamRecord()
    record.take([TOKEN_EVENT], read)
    record.take([], read)
    assert record.uncertainty == 7


def test_what_is_not_known_to_end_its_read_is_uncertain() -> None:
    record = StreamRecord()
    record.take([TOKEN_EVENT], Arrival(at=0, lag=1, waited=8), ends_read=False)
    assert record.uncertainty == 7


def test_a_token_in_the_middle_makes_the_gaps_uncertain() -> None:
    record = StreamRecord()
    record.take([TOKEN_EVENT], Arrival(at=0, lag=1, waited=1))
    record.take([TOKEN_EVENT, TOKEN_EVENT], Arrival(at=50, lag=1, waited=50))
    record.take([TOKEN_EVENT], Arrival(at=60, lag=1, waited=9))
    assert record.uncertainty == 49


def test_a_gap_that_a_late_read_does_not_tell_is_left_out() -> None:
    """The first and the last token are still exact."""
    record = StreamRecord()
    for at in (0, 20 * MS):
        record.take([TOKEN_EVENT], Arrival(at=at, lag=1, waited=1))
    record.take([TOKEN_EVENT] * 9, Arrival(at=200 * MS, lag=1, waited=180 * MS))
    record.take([TOKEN_EVENT, Ended()], Arrival(at=220 * MS, lag=1, waited=1))
    assert record.timeline(0, Exchange(), None).gaps == (20 * MS, 20 * MS)
    assert record.uncertainty == 0


def test_an_uncertain_success_is_counted_and_its_times_are_left_out() -> None:
    metrics = ToldMetrics()
    metrics.take([replace(plan(), max_uncertainty_seconds=0.01)])
    timeline = replace(GOOD.timeline, uncertainty=11 * MS)
    metrics.tell(replace(GOOD, timeline=timeline))
    metrics.tell(GOOD)
    values = {
        (sample.name, sample.labels.get("outcome")): sample.value
        for family in families(metrics.everything())
        for sample in family.samples
    }
    assert values["inference_probes_total", "success"] == 2
    assert values["inference_probes_uncertain_total", None] == 1
    assert values["inference_time_to_first_token_seconds_count", None] == 1


def test_an_interrupted_probe_says_nothing_of_the_provider() -> None:
    metrics = ToldMetrics()
    slo = {"success_ratio": 0.99, "time_to_first_token": {"threshold": "1s", "ratio": 0.9}}
    metrics.take([plan(slo=slo, price={"input": 1, "output": 2})])
    metrics.tell(GOOD)
    before = _nonzero(metrics)
    late = Failure(FailureReason.TIMEOUT_STALL, "no further output within 1 s")
    metrics.tell(replace(GOOD, failure=late, interrupted=True))
    changed = {series for series in before ^ _nonzero(metrics) if series[1] == "t"}
    names = {name for name, *_ in changed}
    assert names == {
        "inference_probes_uncertain_total",
        "inference_cost_usd_total",  # generated output is paid for
        "inference_tokens_total",
    }


def _nonzero(metrics: Metrics) -> set[tuple[object, ...]]:
    return {
        (sample.name, sample.labels.get("target"), str(sample.labels), sample.value)
        for family in families(metrics.everything())
        for sample in family.samples
        if sample.value and sample.value == sample.value
    }
