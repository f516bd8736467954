"""The chaos suite: every fault has its reason, and affects neither the next probe nor another
target.

``make test-chaos`` runs all of it. Other runs leave out faults that wait for timeouts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config.plan import Plan, Timeouts
from exporter.config.target import Target
from exporter.kinds import Chat
from exporter.net.transport import Connections
from exporter.probing.probe import run_probe
from exporter.result import FailureReason, ProbeResult
from tests.chaos.behaviours import BEHAVIOURS
from tests.chaos.costly import ANY, FRAMES
from tests.chaos.script import WHOLE, Behaviour
from tests.chaos.status_faults import RETRY_AFTER
from tests.limits import PATIENT
from tests.wire import LAST_CHUNK, STREAM_HEAD, chunk, wire_server


def plan_for(url: str, provider: str = "openai", timeouts: Timeouts = PATIENT) -> Plan:
    """Return a plan for a model at this address."""
    target = {
        "name": "t",
        "provider": provider,
        "model": "m",
        "base_url": f"{url}/v1",
        "api_key": {"env": "CHAOS_KEY"},
    }
    return Plan(
        target=Target.model_validate(target),
        probe_name="p",
        probe=Chat(prompt="hello"),
        interval_seconds=60,
        timeouts=timeouts,
        fresh_connection=False,
    )


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOS_KEY", "sk-chaos")


@pytest.fixture(scope="module")
def healthy() -> Iterator[str]:
    """Run another provider without faults."""
    with wire_server(WHOLE) as server:
        yield server.url


@pytest.fixture
async def neighbour(healthy: str) -> AsyncIterator[Connections]:
    """Probe a target of the healthy provider on the same loop."""
    connections = Connections(plan_for(healthy).target)
    yield connections
    await connections.retire()


def descriptors_open() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def reason(result: ProbeResult) -> FailureReason | None:
    return result.failure.reason if result.failure else None


def _marked(behaviour: Behaviour) -> object:
    marks = [pytest.mark.chaos] if behaviour.waits else []
    return pytest.param(behaviour, id=behaviour.name, marks=marks)


@pytest.mark.parametrize("behaviour", [_marked(behaviour) for behaviour in BEHAVIOURS.values()])
async def test_a_fault_has_its_reason_and_harms_nobody(
    behaviour: Behaviour, neighbour: Connections, caplog: pytest.LogCaptureFixture
) -> None:
    tasks, descriptors = len(asyncio.all_tasks()), descriptors_open()
    other = plan_for(neighbour.target.endpoint.removesuffix("/v1"))
    with wire_server(behaviour.script, WHOLE) as server:
        plan = plan_for(server.url, behaviour.provider, behaviour.limits)
        connections = Connections(plan.target)
        result, beside = await asyncio.gather(
            run_probe(plan, "hello", connections), run_probe(other, "hello", neighbour)
        )
        after = await run_probe(replace(plan, timeouts=PATIENT), "hello", connections)
        await connections.retire()
    assert reason(result) in behaviour.reasons, result.failure
    assert reason(beside) is None, beside.failure
    assert reason(after) is None, after.failure
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(asyncio.all_tasks()) == tasks
    assert descriptors_open() <= descriptors + 4  # some are the servers' own


@pytest.mark.parametrize("value", RETRY_AFTER)
async def test_a_delay_that_cannot_be_is_none(value: str) -> None:
    with wire_server(BEHAVIOURS[f"retry after {value!r}"].script) as server:
        plan = plan_for(server.url)
        connections = Connections(plan.target)
        result = await run_probe(plan, "hello", connections)
        await connections.retire()
    assert result.retry_after_seconds == RETRY_AFTER[value]


@pytest.mark.chaos
@pytest.mark.parametrize("message", ANY)
@pytest.mark.parametrize("provider", FRAMES)
async def test_no_message_is_too_strange_for_a_dialect(
    provider: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    script = [STREAM_HEAD, chunk(FRAMES[provider](ANY[message])), LAST_CHUNK]
    with wire_server(script) as server:
        plan = plan_for(server.url, provider)
        connections = Connections(plan.target)
        result = await run_probe(plan, "hello", connections)
        await connections.retire()
    assert reason(result) in (
        FailureReason.PROTOCOL,
        FailureReason.TOO_LARGE,
        FailureReason.TRUNCATED,
        FailureReason.SERVER_ERROR,
    )
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
