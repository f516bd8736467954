"""Finished probes are freed at once. Cycles would pile up until a full garbage collection, which
delays all streams by a tenth of a second and more."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence

import pytest

from exporter.config.plan import Plan
from exporter.net.transport import Connections
from exporter.probing.probe import run_probe
from exporter.result import FailureReason, ProbeResult
from tests.probing.test_probe import ENDING, delta, plan_for
from tests.process import free_port
from tests.wire import STREAM_HEAD, Act, Step, WireServer, chunk, response, wire_server

_LENGTH = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9\r\n\r\n"


@pytest.mark.parametrize(
    ("script", "succeeds"),
    [
        ([STREAM_HEAD, delta(content="1"), delta(content=" 2"), ENDING], True),
        ([response(500, b'{"error": {"message": "no"}}')], False),
        ([STREAM_HEAD, delta(content="1"), Act.CLOSE], False),
        ([STREAM_HEAD, delta(content="1"), Act.RESET], False),
        ([STREAM_HEAD, chunk(b"data: {\n\n"), Act.CLOSE], False),
        ([STREAM_HEAD, b"no chunk\r\n", Act.CLOSE], False),
        ([_LENGTH, b"data: ", Act.CLOSE], False),
        ([b"no HTTP\r\n\r\n", Act.CLOSE], False),
        ([Act.CLOSE], False),
    ],
    ids=[
        "ok",
        "500",
        "truncated",
        "reset",
        "no JSON",
        "no chunks",
        "too short",
        "no HTTP",
        "closed",
    ],
)
async def test_a_probe_leaves_nothing_to_the_garbage_collector(
    script: Sequence[Step], succeeds: bool
) -> None:
    with wire_server(script) as server:
        results, left = await left_by_probes_of(plan_for(server))
    assert [result.success for result in results] == [succeeds] * 3
    assert not left


async def test_a_refused_probe_leaves_nothing_to_the_garbage_collector() -> None:
    results, left = await left_by_probes_of(plan_for(WireServer(port=free_port())))
    reasons = {result.failure.reason for result in results if result.failure}
    assert reasons == {FailureReason.CONNECT}
    assert not left


async def left_by_probes_of(plan: Plan) -> tuple[list[ProbeResult], Counter[str]]:
    """The results of three probes, and which objects of ours, or errors, only the garbage
    collector frees after them."""
    connections = Connections(plan.target)
    for _ in range(2):  # what is built for the first probe stays
        await run_probe(plan, "hello", connections)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        results = [await run_probe(plan, "hello", connections) for _ in range(3)]
        await asyncio.sleep(0.01)  # the loop still holds what ran last
        gc.collect()
        left = Counter(type(one).__qualname__ for one in gc.garbage if _matters(one))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    await connections.retire()
    return results, left


def _matters(garbage: object) -> bool:
    return isinstance(garbage, BaseException) or type(garbage).__module__.startswith("exporter.")
