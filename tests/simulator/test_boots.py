"""How a model that isn't in memory responds, and for how long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from exporter.result import NANOSECONDS
from exporter.simulator import Boot, Script, Sign, Simulator
from tests.simulator.clients import ask, body_of
from tests.waiting import timed

UNHEALTHY, HEALTHY = (503, 0), (200, 1)


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


def simulator_with(boot: Boot, listen_after_seconds: float = 0.0) -> Simulator:
    script = Script(first_token_seconds=0.0, token_gap_seconds=0.0, boot=boot)
    return Simulator({"m": script}, listen_after_seconds=listen_after_seconds)


async def pages(simulator: Simulator, client: httpx.AsyncClient) -> tuple[int, int]:
    """Return the status of the health page, and how many models are listed."""
    health = await client.get(f"{simulator.url}/health")
    models = await client.get(f"{simulator.url}/v1/models")
    return health.status_code, len(models.json()["data"])


async def status(simulator: Simulator, client: httpx.AsyncClient) -> int:
    url = f"{simulator.url}/v1/chat/completions"
    return (await client.post(url, content=body_of())).status_code


@timed
@pytest.mark.parametrize(
    ("sign", "refusal"), [(Sign.NOT_READY, 503), (Sign.BAD_GATEWAY, 502), (Sign.UNAVAILABLE, 503)]
)
async def test_a_cold_model_refuses_until_it_is_loaded_and_after_idleness_again(
    sign: Sign, refusal: int, client: httpx.AsyncClient
) -> None:
    async with simulator_with(Boot(seconds=0.3, idle_seconds=0.6, sign=sign)) as simulator:
        assert await status(simulator, client) == refusal
        assert await pages(simulator, client) == UNHEALTHY
        await asyncio.sleep(0.31)
        assert await status(simulator, client) == 200
        assert await pages(simulator, client) == HEALTHY
        await asyncio.sleep(0.65)
        assert await status(simulator, client) == refusal
        assert await pages(simulator, client) == UNHEALTHY


@timed
@pytest.mark.parametrize("sign", [Sign.HELD, Sign.SILENT])
async def test_a_cold_model_may_keep_a_request_waiting(
    sign: Sign, client: httpx.AsyncClient
) -> None:
    async with simulator_with(Boot(seconds=0.3, sign=sign)) as simulator:
        started = time.monotonic_ns()
        assert await pages(simulator, client) == HEALTHY
        await ask(simulator)
        await ask(simulator)
        first, second = (served for served in simulator.ledger if served.outputs)
    assert (first.outputs[0].monotonic_ns - started) / NANOSECONDS >= 0.29
    assert (second.outputs[0].monotonic_ns - second.received_ns) / NANOSECONDS < 0.1


@timed
@pytest.mark.parametrize(("sign", "late"), [(Sign.HELD, True), (Sign.SILENT, False)])
async def test_only_a_held_request_waits_for_its_headers(
    sign: Sign, late: bool, client: httpx.AsyncClient
) -> None:
    async with simulator_with(Boot(seconds=0.3, sign=sign)) as simulator:
        started = time.monotonic()
        url = f"{simulator.url}/v1/chat/completions"
        async with client.stream("POST", url, content=body_of()):
            assert (time.monotonic() - started > 0.2) is late


async def test_connections_are_refused_until_the_server_listens_and_after_a_restart_again(
    client: httpx.AsyncClient,
) -> None:
    began = time.monotonic()
    async with simulator_with(Boot(seconds=0.6), listen_after_seconds=0.2) as simulator:
        url = simulator.url
        for _ in range(2):
            await until_reached(simulator, client)
            assert time.monotonic() - began >= 0.2
            while await pages(simulator, client) != HEALTHY:  # noqa: ASYNC110 - a server
                await asyncio.sleep(0.01)
            assert time.monotonic() - began >= 0.6
            began = time.monotonic()
            await simulator.restart()
            assert simulator.url == url


async def until_reached(simulator: Simulator, client: httpx.AsyncClient) -> None:
    while True:
        try:
            await pages(simulator, client)
        except httpx.ConnectError:
            await asyncio.sleep(0.01)
        else:
            return
