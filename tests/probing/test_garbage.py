"""Finished probes are freed at once. Cycles would pile up until a full garbage collection, which
delays all streams by a tenth of a second and more."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence

import pytest

from exporter.net.transport import Connections
from exporter.probing.probe import run_probe
from tests.probing.test_probe import ENDING, delta, plan_for
from tests.wire import STREAM_HEAD, Act, Step, chunk, response, wire_server

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
        plan = plan_for(server)
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
            ours = (type(one) for one in gc.garbage if type(one).__module__.startswith("exporter."))
            left = Counter(kind.__qualname__ for kind in ours)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        await connections.retire()
    assert [result.success for result in results] == [succeeds] * 3
    assert not left
