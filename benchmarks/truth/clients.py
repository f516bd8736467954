"""One measurement of ``benchmarks truth``, in its own process.

``python -m benchmarks.truth.clients URL CLIENT MODEL STREAMS SECONDS CONDITION`` keeps ``STREAMS``
streams running for ``SECONDS`` and prints the result of each probe as JSON lines.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass

import httpx

from benchmarks.samples import plans, probe_all
from benchmarks.serving import scrape_from_outside, serving
from exporter.config.plan import PlanChange
from exporter.config.root import Config
from exporter.metrics.registry import Metrics
from exporter.net.transport import Connections
from exporter.probing.probe import run_probe
from exporter.process import loop
from exporter.process.heap import collect_rarely, freeze
from exporter.result import NANOSECONDS

BLOCK_SECONDS = 0.05
BLOCK_EVERY_SECONDS = (0.15, 0.35)
SCRAPED_TARGETS = 1_000
_MAX_SCRAPES = 10_000
PROMPT = "Count, separated by spaces."
_TIMEOUT_SECONDS = 30
READY = "ready"
"""The process prints this after all imports."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A client's measurement of one request."""

    request_id: str
    first_token_ns: int
    """Arrival of the first token, in wall-clock nanoseconds."""
    time_to_first_token_seconds: float
    time_per_output_token_seconds: float | None
    """``None`` if all output came in one read."""
    request_duration_seconds: float
    uncertainty_seconds: float | None
    """``None`` if the client doesn't report it."""


Ask = Callable[[], Awaitable[Seen]]
Client = Callable[[str, str], AbstractAsyncContextManager[Ask]]


def wall_clock_offset_ns(clock: Callable[[], int]) -> int:
    """Return the offset from this clock to wall-clock time: the tightest of several readings."""
    readings = []
    for _ in range(50):
        before, wall, after = clock(), time.time_ns(), clock()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]


@asynccontextmanager
async def ours(url: str, model: str) -> AsyncIterator[Ask]:
    """Use ``run_probe`` as the exporter does."""
    target = {"name": "truth", "provider": "openai", "model": model, "base_url": f"{url}/v1"}
    probes = {"count": {"prompt": PROMPT}}
    (plan,) = Config.model_validate({"targets": [target], "probes": probes}).plans()
    connections = Connections(plan.target)
    offset = wall_clock_offset_ns(time.monotonic_ns)

    async def ask() -> Seen:
        result = await run_probe(plan, PROMPT, connections)
        first_token = result.timeline.first_token
        first = result.time_to_first_token_seconds
        per_token = result.time_per_output_token_seconds
        duration = result.request_duration_seconds
        if result.failure or result.request_id is None or first_token is None:
            raise RuntimeError(f"the probe failed: {result.failure}")
        assert first is not None
        assert duration is not None
        return Seen(
            result.request_id,
            first_token + offset,
            first,
            per_token,
            duration,
            result.uncertainty_seconds,
        )

    try:
        yield ask
    finally:
        await connections.retire()


def request_body(model: str) -> dict[str, object]:
    """Return the request body for clients other than the exporter."""
    return {
        "model": model,
        "messages": [{"role": "user", "content": PROMPT}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@asynccontextmanager
async def plain_httpx(url: str, model: str) -> AsyncIterator[Ask]:
    """Use a loop over the lines of the response that reads the clock at each of them."""
    offset = wall_clock_offset_ns(time.perf_counter_ns)
    body = request_body(model)

    async def ask() -> Seen:
        first = last = end = 0
        tokens = 0
        sent = time.perf_counter_ns()
        async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                now = time.perf_counter_ns()
                if line == "data: [DONE]":
                    end = now
                elif line.startswith("data: "):
                    event = json.loads(line.removeprefix("data: "))
                    if event["choices"] and event["choices"][0]["delta"].get("content"):
                        first, last = first or now, now
                    elif event.get("usage"):
                        tokens = event["usage"]["completion_tokens"]
        return Seen(
            response.headers["x-request-id"],
            first + offset,
            (first - sent) / NANOSECONDS,
            (last - first) / NANOSECONDS / (tokens - 1),
            (end - sent) / NANOSECONDS,
            None,
        )

    async with httpx.AsyncClient(
        timeout=_TIMEOUT_SECONDS, verify=_unused_tls(), trust_env=False
    ) as client:
        yield ask


def _unused_tls() -> ssl.SSLContext:
    """Return an empty context: a real one loads slowly, and the truth server uses plain HTTP."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


CLIENTS: dict[str, Client] = {"ours": ours, "plain httpx": plain_httpx}


async def _block_now_and_then() -> None:
    while True:
        await asyncio.sleep(random.uniform(*BLOCK_EVERY_SECONDS))
        time.sleep(BLOCK_SECONDS)  # noqa: ASYNC251


@asynccontextmanager
async def blocked() -> AsyncIterator[None]:
    """Block the loop now and then, as other tasks can."""
    async with _meanwhile(_block_now_and_then()):
        yield


@asynccontextmanager
async def scraped() -> AsyncIterator[None]:
    """Serve the series of 1,000 targets to a scraper once per second in the same process."""
    metrics = Metrics()
    metrics.apply(PlanChange.between((), plans(SCRAPED_TARGETS)))
    probe_all(metrics, SCRAPED_TARGETS)
    with serving(metrics) as url:
        async with _meanwhile(scrape_from_outside(url, "gzip", _MAX_SCRAPES)):
            yield


@asynccontextmanager
async def quiet() -> AsyncIterator[None]:
    """Leave the loop to the client alone."""
    yield


@asynccontextmanager
async def _meanwhile(work: Coroutine[None, None, object]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


CONDITIONS: dict[str, Callable[[], AbstractAsyncContextManager[None]]] = {
    "quiet": quiet,
    "scraped": scraped,
    "blocked": blocked,
}


@dataclass(frozen=True, slots=True)
class Case:
    """The parameters of one process."""

    client: str
    model: str
    streams: int
    seconds: float
    condition: str


async def measure(url: str, case: Case) -> list[Seen]:
    """Return the results of all probes except the first of each stream, which opens a connection.

    For every client, the objects of all streams are frozen for the garbage collector, as the
    exporter freezes the objects of its configuration.
    """
    seen: list[Seen] = []
    spread = script_seconds(case.model)

    async def stream(ask: Ask, delay_seconds: float) -> None:
        await asyncio.sleep(delay_seconds)
        await ask()
        while time.monotonic() < stop:
            seen.append(await ask())

    async with AsyncExitStack() as clients, CONDITIONS[case.condition]():
        asks = [
            await clients.enter_async_context(CLIENTS[case.client](url, case.model))
            for _ in range(case.streams)
        ]
        freeze()
        collect_rarely(case.streams)
        stop = time.monotonic() + 2 * spread + case.seconds
        async with asyncio.TaskGroup() as streaming:
            for number, ask in enumerate(asks):
                streaming.create_task(stream(ask, spread * number / case.streams))
    return seen


def script_seconds(model: str) -> float:
    """Return how long the truth server takes to play this script."""
    _, first_token, gap, tokens = model.split("-")
    return (int(first_token) + int(gap) * (int(tokens) - 1)) / 1000


def main() -> None:
    url, client, model, streams, seconds, condition = sys.argv[1:]
    case = Case(client, model, int(streams), float(seconds), condition)
    print(READY, flush=True)
    for one in loop.run(measure(url, case)):
        print(json.dumps(asdict(one)))


if __name__ == "__main__":
    main()
