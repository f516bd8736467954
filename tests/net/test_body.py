"""A body is handed over as it arrives, part by part."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest

from exporter.net.body import Body, Part
from exporter.net.exchange import Exchange
from exporter.net.failure import NetworkFailure
from exporter.net.transport import EXCHANGE, KernelTransport
from tests.wire import LAST_CHUNK, Act, Step, chunk, wire_server

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@asynccontextmanager
async def body_of(script: Sequence[Step]) -> AsyncIterator[Body]:
    with wire_server([HEAD, *script]) as server:
        transport = KernelTransport(server.url, None)
        request = httpx.Request("GET", server.url, extensions={EXCHANGE: Exchange()})
        response = await transport.handle_async_request(request)
        try:
            yield Body.of(response)
        finally:
            await response.aclose()
            await transport.aclose()


class Taker:
    """Takes all parts, or only the first.

    A late read is cut before its last byte, so on a busy machine a part can end anywhere.
    """

    def __init__(self, *, only_one: bool = False) -> None:
        self._only_one = only_one
        self.taken = b""

    def __call__(self, part: Part) -> bool:
        self.taken += part.data
        return self._only_one


async def test_a_sink_that_has_enough_leaves_the_rest_to_the_next() -> None:
    async with body_of([chunk(b"first"), 0.05, chunk(b"second"), 0.05, LAST_CHUNK]) as body:
        first, rest, nothing = Taker(only_one=True), Taker(), Taker()
        await body.drain(first)
        await body.drain(rest)
        await body.drain(nothing)
    assert first.taken
    assert first.taken + rest.taken == b"firstsecond"
    assert nothing.taken == b""


async def test_parts_of_one_read_are_left_to_the_next_too() -> None:
    lines = b"\n" * 2000
    async with body_of([0.05, chunk(lines) + LAST_CHUNK]) as body:
        first, rest = Taker(only_one=True), Taker()
        await body.drain(first)
        await body.drain(rest)
    assert 0 < len(first.taken) < len(lines)
    assert first.taken + rest.taken == lines


@pytest.mark.parametrize("pause", [0.0, 0.05])
async def test_what_a_sink_raises_is_raised(pause: float) -> None:
    refused = Taker(only_one=True)

    def refuse(part: Part) -> bool:
        refused(part)
        raise LookupError

    rest = Taker()
    async with body_of([pause, chunk(b"first"), 0.1, chunk(b"second") + LAST_CHUNK]) as body:
        with pytest.raises(LookupError):
            await body.drain(refuse)
        await body.drain(rest)
    assert refused.taken + rest.taken == b"firstsecond"


async def test_what_came_before_a_mistake_comes_before_the_complaint() -> None:
    taker = Taker()
    async with body_of([0.05, chunk(b"first") + b"no chunk\r\n"]) as body:
        with pytest.raises(NetworkFailure, match="chunks"):
            await body.drain(taker)
    assert taker.taken == b"first"


async def _fail(body: Body) -> None:
    try:
        await body.drain(Taker())
    except NetworkFailure:
        return
    raise AssertionError


async def test_a_broken_body_is_freed_without_the_garbage_collector() -> None:
    """During an outage, cycles would pile up until a collection, which delays the streams."""
    gc.disable()
    try:
        async with body_of([0.05, chunk(b"first"), Act.CLOSE]) as body:
            await _fail(body)
            freed = weakref.ref(body)
            del body
        await asyncio.sleep(0)  # the loop itself still holds what woke this task
        assert freed() is None
    finally:
        gc.enable()
