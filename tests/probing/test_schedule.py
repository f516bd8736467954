"""When probes are sent: spread out, on their grid, never overlapping, never in a burst."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from statistics import median

import pytest

from exporter.budget.spending import Spending
from exporter.config.plan import Plan
from exporter.config.target import Target
from exporter.kinds import Chat
from exporter.metrics.registry import Metrics
from exporter.observation import Observation
from exporter.probing.grid import spread
from exporter.probing.prober import Prober
from exporter.probing.schedule import Schedule
from exporter.result import ProbeResult
from tests.limits import PATIENT
from tests.observing import Plans
from tests.probing.test_probe import DONE, FINISH, TOKEN
from tests.shown import families
from tests.waiting import timed, until
from tests.wire import STREAM_HEAD, Act, Step, WireServer, chunk, response, wire_server

ANSWER: list[Step] = [STREAM_HEAD, TOKEN, FINISH, DONE]


def plan_for(server: WireServer, name: str = "t", interval_seconds: float = 0.2) -> Plan:
    return Plan(
        target=Target(name=name, provider="openai", model="m", base_url=f"{server.url}/v1"),
        probe_name="p",
        probe=Chat(prompt="hello"),
        interval_seconds=interval_seconds,
        timeouts=PATIENT,
        fresh_connection=False,
    )


class Running:
    """A running schedule and its results."""

    def __init__(self, may_probe: Callable[[], bool] = lambda: True) -> None:
        self.plans = Plans()
        self.results: list[ProbeResult] = []
        self.metrics = Metrics()
        observers = (self.metrics.observe, self.note)
        self.prober = Prober(observers, purse=Spending(), may_probe=may_probe)
        self.schedule = Schedule(self.prober, self.metrics)

    def note(self, observation: Observation) -> None:
        self.results.append(observation.result)

    def apply(self, *plans: Plan) -> None:
        change = self.plans.become(spread(plans, self.plans.in_force))
        self.metrics.apply(change)
        self.prober.apply(change)
        self.schedule.apply(change)

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of all samples with this name and these labels."""
        return sum(
            sample.value
            for metric in families(self.metrics.everything())
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@asynccontextmanager
async def running(
    *plans: Plan, may_probe: Callable[[], bool] = lambda: True
) -> AsyncIterator[Running]:
    run = Running(may_probe)
    run.schedule.start()
    run.apply(*plans)
    try:
        yield run
    finally:
        run.schedule.stop()
        await run.prober.aclose(grace_seconds=1)


async def test_a_plan_runs_once_in_each_interval() -> None:
    with wire_server(ANSWER) as server:
        async with running(plan_for(server)) as run:
            began = time.monotonic()
            await until(lambda: len(run.results) >= 5)
            intervals = (time.monotonic() - began) / 0.2
    assert len(run.results) <= intervals + 1
    assert all(result.success for result in run.results)


@timed
async def test_runs_do_not_drift() -> None:
    with wire_server([0.05, *ANSWER]) as server:
        async with running(plan_for(server)) as run:
            await until(lambda: len(run.results) >= 5)
            [plan] = run.plans.in_force
    phase = plan.phase.part * plan.interval_seconds
    wall = time.time() - time.monotonic()
    started = [result.timeline.start / 1e9 + wall for result in run.results]
    late = [(start - phase) % 0.2 for start in started]
    assert median(late) < 0.1


async def test_any_probe_can_be_asked_to_wait_and_then_none_is_sent() -> None:
    refused = [response(429, b"{}", b"retry-after: 60")]
    with wire_server(refused, ANSWER) as server:
        plan = plan_for(server)
        async with running() as run:
            change = run.plans.become([plan])
            run.metrics.apply(change)
            run.prober.apply(change)
            await run.prober.probe(plan)  # asked for by hand
            run.schedule.apply(change)
            skipped = "inference_probes_skipped_total"
            await until(lambda: run.value(skipped, reason="retry_after") >= 2)
    assert len(server.requests) == 1


async def test_a_slow_probe_is_skipped_over_not_overlapped() -> None:
    with wire_server([0.5, *ANSWER]) as server:
        async with running(plan_for(server)) as run:
            await until(lambda: run.value("inference_probes_skipped_total", reason="overlap") >= 2)
            assert run.prober.in_flight <= 1
            await until(lambda: len(run.results) >= 2)
    starts = [result.timeline.start for result in run.results]
    ends = [result.timeline.end or 0 for result in run.results]
    assert all(end < start for end, start in zip(ends, starts[1:], strict=False))


async def test_a_blocked_loop_brings_no_burst() -> None:
    with wire_server(ANSWER) as server:
        plans = [plan_for(server, f"t{n}", interval_seconds=5.0) for n in range(40)]
        async with running(*plans) as run:
            await asyncio.sleep(0.1)
            time.sleep(4)  # noqa: ASYNC251 - as if the machine had been asleep
            before, awake = len(run.results), time.monotonic()
            await asyncio.sleep(0.3)
            burst, seconds = len(run.results) - before, time.monotonic() - awake
            # About 32 of the 40 were due by then, 8 of them in the last second.
            await until(lambda: run.value("inference_probes_skipped_total", reason="paused") > 15)
    assert burst < 15 + 8 * seconds


async def test_retry_after_silences_the_target() -> None:
    busy = response(429, b"{}", b"retry-after: 60")
    with wire_server([busy]) as server:
        async with running(plan_for(server)) as run:
            await until(
                lambda: run.value("inference_probes_skipped_total", reason="retry_after") >= 2
            )
    assert len(run.results) == 1


async def test_retry_after_holds_for_a_probe_that_is_due_in_the_turn_in_which_it_comes() -> None:
    with wire_server([0.05, response(429, b"{}", b"retry-after: 60")]) as server:
        async with running(plan_for(server)) as run:
            await until(lambda: server.requests)
            time.sleep(0.5)  # noqa: ASYNC251 - the answer comes, and the next probe is due
            await until(
                lambda: run.value("inference_probes_skipped_total", reason="retry_after") >= 2
            )
    assert len(server.requests) == 1


async def test_one_broken_target_leaves_the_others_alone() -> None:
    with wire_server([Act.RESET]) as broken, wire_server(ANSWER) as healthy:
        async with running(plan_for(broken, "broken"), plan_for(healthy, "healthy")) as run:
            await until(
                lambda: (
                    run.value("inference_probes_total", target="healthy", outcome="success") >= 3
                )
            )
            await until(
                lambda: run.value("inference_probes_total", target="broken", outcome="failure") >= 3
            )


async def test_a_listener_that_crashes_keeps_no_result_from_the_others() -> None:
    def crash(_observation: Observation) -> None:
        raise RuntimeError("boom")

    with wire_server(ANSWER) as server:
        run = Running()
        run.prober = Prober([crash, run.note], purse=Spending())
        run.schedule = Schedule(run.prober, run.metrics)
        run.schedule.start()
        run.apply(plan_for(server))
        await until(lambda: len(run.results) >= 3)
        run.schedule.stop()
        await run.prober.aclose(grace_seconds=1)


async def test_a_removed_target_is_no_longer_asked_and_its_series_go() -> None:
    with wire_server(ANSWER) as server:
        keep, drop = plan_for(server, "keep"), plan_for(server, "drop")
        async with running(keep, drop) as run:
            total = "inference_probes_total"
            await until(lambda: run.value(total, target="keep") > 0)
            kept_before = run.value(total, target="keep")
            run.apply(keep)
            removed_at, asked = time.monotonic_ns(), len(server.requests)
            await until(lambda: run.value(total, target="keep") > kept_before + 4)
            begun = [result for result in run.results if result.timeline.start > removed_at]
            assert {result.target for result in begun} == {"keep"}
            under_way = 3  # one of each when the other was removed, and one of the kept now
            assert len(server.requests) - asked <= len(begun) + under_way
            names = {
                sample.labels.get("target")
                for metric in families(run.metrics.everything())
                for sample in metric.samples
            }
    assert "drop" not in names


async def test_a_shorter_interval_counts_at_once() -> None:
    with wire_server(ANSWER) as server:
        async with running(plan_for(server, interval_seconds=86_400)) as run:
            run.apply(plan_for(server))
            await until(lambda: len(run.results) >= 2)


async def test_a_changed_plan_waits_for_its_predecessor() -> None:
    may_answer = threading.Event()
    with wire_server([may_answer, *ANSWER]) as server:
        run = Running()
        plan = plan_for(server)
        run.prober.apply(run.plans.become([plan]))
        first = asyncio.create_task(run.prober.probe(plan))
        await until(lambda: server.requests)
        changed = replace(plan, probe=Chat(prompt="other"))
        run.prober.apply(run.plans.become([changed]))
        assert run.prober.is_busy(changed)
        may_answer.set()
        second = (await run.prober.probe(changed)).result
        ended = (await first).result.timeline.end
        assert ended is not None
        assert second.timeline.start >= ended
        await run.prober.aclose(grace_seconds=1)


async def test_probes_under_way_get_their_grace_time() -> None:
    may_answer = threading.Event()
    with wire_server([may_answer, *ANSWER]) as server:
        run = Running()
        plan = plan_for(server)
        run.prober.apply(run.plans.become([plan]))
        probe = asyncio.create_task(run.prober.probe(plan))
        await until(lambda: server.requests)
        closing = asyncio.create_task(run.prober.aclose(grace_seconds=60))
        await asyncio.sleep(0.1)
        may_answer.set()
        await closing
        assert (await probe).result.success


async def test_probes_beyond_the_grace_time_are_ended() -> None:
    with wire_server([STREAM_HEAD, chunk(b": ping\n\n"), Act.HANG]) as server:
        run = Running()
        plan = plan_for(server)
        run.prober.apply(run.plans.become([plan]))
        probe = asyncio.create_task(run.prober.probe(plan))
        await until(lambda: server.requests)
        await run.prober.aclose(grace_seconds=0.1)
        with pytest.raises(asyncio.CancelledError):
            await probe


@pytest.mark.parametrize("turns_of_the_loop", range(5))
async def test_a_stop_between_due_and_begun_is_no_error(
    turns_of_the_loop: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the scheduler is doing: probes in progress are counted, and no others start."""
    with wire_server(ANSWER) as server:
        async with running(*(plan_for(server, f"t{n}", 1) for n in range(40))) as run:
            time.sleep(0.5)  # noqa: ASYNC251 - so that many are due at once
            for _ in range(turns_of_the_loop):
                await asyncio.sleep(0)
            run.schedule.stop()
            begun = run.value("inference_exporter_schedule_delay_seconds_count")
            await asyncio.sleep(0.4)
            await until(lambda: run.value("inference_probes_total") >= begun)
            assert run.value("inference_exporter_schedule_delay_seconds_count") == begun
    assert run.value("inference_probes_total") == begun
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("times_asked", range(3))
async def test_a_probe_is_paused_if_another_exporter_began_to_lead_just_before_it_was_sent(
    times_asked: int, caplog: pytest.LogCaptureFixture
) -> None:
    still_leads = iter([True] * times_asked)
    with wire_server(ANSWER) as server:
        plan = plan_for(server)
        async with running(plan, may_probe=lambda: next(still_leads, False)) as run:
            await until(lambda: run.value("inference_probes_skipped_total", reason="paused") >= 2)
    assert server.requests == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
