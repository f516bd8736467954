"""What a request to a server's page says about the server, and what it says about the exporter."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from exporter.cold import server_pages
from exporter.cold.server_pages import ServerPages
from exporter.config.target import Target
from exporter.net.failure import OwnFault
from exporter.probing import deadlines
from exporter.process.loop import suspended_ns
from exporter.result import NANOSECONDS
from tests.waiting import timed

PATIENCE_SECONDS = 0.3


@contextmanager
def unanswered_connections() -> Iterator[str]:
    """Yield the URL of a server whose queue of new connections is full, so that none is set up."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_pages, "_PATIENCE_SECONDS", PATIENCE_SECONDS)


def pages(url: str) -> ServerPages:
    return ServerPages(Target(name="t", provider="vllm", model="m", base_url=url))


@timed
async def test_a_server_that_sets_up_no_connection_is_down() -> None:
    with unanswered_connections() as url:
        assert (await pages(url).get("/health")).is_down


async def test_a_timeout_during_a_stop_of_the_exporter_says_nothing_of_the_server() -> None:
    with unanswered_connections() as url:
        asking = asyncio.create_task(pages(url).get("/health"))
        await asyncio.sleep(PATIENCE_SECONDS / 3)
        time.sleep(PATIENCE_SECONDS)  # noqa: ASYNC251 - as if it was stopped
        with pytest.raises(OwnFault, match="didn't run"):
            await asking


async def test_a_timeout_after_the_machine_was_suspended_says_nothing_of_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection of before is lost, and the clock didn't count the time."""
    with unanswered_connections() as url:
        asking = asyncio.create_task(pages(url).get("/health"))
        await asyncio.sleep(PATIENCE_SECONDS / 3)
        monkeypatch.setattr(deadlines, "suspended_ns", lambda: suspended_ns() + 3600 * NANOSECONDS)
        with pytest.raises(OwnFault, match="didn't run"):
            await asking
