"""The clients that read the same streams, and how to start each one."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from benchmarks.background import meanwhile
from benchmarks.cpu import compiled
from benchmarks.load import configuration
from benchmarks.peer_tools import PEERS, Peer, Run
from benchmarks.running import exporting, session, started
from benchmarks.truth.clients import request_body, script_seconds
from exporter.config.connection import Connection

BLACKBOX_LISTEN = "127.0.0.1:19853"
_TOOLS = Path(__file__).parents[2] / ".tools" / "bin"
_FOREVER_SECONDS = 3_600
"""The benchmark stops clients after the measurement."""
_TOOL_SECONDS = 120
"""A tool gets all its prompts in advance, so its duration must be limited."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The streams that every client reads."""

    url: str
    model: str
    targets: int
    interval_seconds: int

    @property
    def script_seconds(self) -> float:
        return script_seconds(self.model)

    @property
    def streams(self) -> int:
        """The number of concurrent streams when the targets are probed in turn."""
        return round(self.targets / self.interval_seconds * self.script_seconds)


class Running(Protocol):
    """A measured process or session."""

    pid: int

    def cpu_seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Client:
    """One client: a row of the table."""

    name: str
    connection: Connection
    """Whether each probe opens a fresh connection."""
    run: Callable[[Scene], AbstractContextManager[Running]]
    missing: str | None = None
    """The reason if it can't run here."""
    is_limit: bool = False
    """Whether the others are compared with it."""
    is_exporter: bool = False
    """Whether it has its own schedule and is scraped meanwhile."""

    is_tool: bool = False
    """Whether it is a tool that takes long to start."""

    @property
    def is_quick(self) -> bool:
        """Whether the short form includes it."""
        return self.connection == "reuse" and not self.is_tool


@contextmanager
def _process(command: list[str]) -> Iterator[Running]:
    with (
        tempfile.TemporaryDirectory() as folder,
        session(command, Path(folder, "log")) as one,
    ):
        yield one


def least_command(language: str) -> list[str]:
    """Return how to start the smallest client in this language, without its arguments."""
    if language == "C":
        return [str(compiled.client())]
    return [sys.executable, "-m", "benchmarks.cpu.least"]


def _least(language: str, parsing: str, connection: Connection) -> Client:
    def run(scene: Scene) -> AbstractContextManager[Running]:
        server = urlsplit(scene.url)
        spread_ms = int(scene.script_seconds * 1000)
        words = (parsing, connection, server.hostname, server.port, scene.model, scene.streams)
        return _process([str(it) for it in (*least_command(language), *words, spread_ms, 0)])

    name = {"unread": "recvmsg alone", "parsed": "everything parsed"}[parsing]
    in_c = language == "C"
    missing = "there is no C compiler" if in_c and not compiled.compiler() else None
    return Client(f"{language}, {name}", connection, run, missing, is_limit=in_c)


def _python(name: str, client: str) -> Client:
    def run(scene: Scene) -> AbstractContextManager[Running]:
        words = (scene.url, client, scene.model, scene.streams, _FOREVER_SECONDS, "quiet")
        module = [sys.executable, "-m", "benchmarks.truth.clients"]
        return _process([*module, *(str(word) for word in words)])

    return Client(name, "reuse", run)


def _exporter(connection: Connection) -> Client:
    def run(scene: Scene) -> AbstractContextManager[Running]:
        interval = scene.interval_seconds
        text = configuration(scene.url, scene.targets, interval, scene.model, connection)
        return exporting(text)

    return Client("the exporter", connection, run, is_exporter=True)


def _blackbox() -> Client:
    found = shutil.which("blackbox_exporter", path=_TOOLS) or shutil.which(
        "prometheus-blackbox-exporter"
    )

    @contextmanager
    def run(scene: Scene) -> Iterator[Running]:
        assert found is not None
        body = json.dumps(request_body(scene.model))
        headers = {"Content-Type": "application/json"}
        http = {"method": "POST", "headers": headers, "body": body}
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "blackbox.yml")
            modules = {"chat": {"prober": "http", "timeout": "30s", "http": http}}
            file.write_text(json.dumps({"modules": modules}))
            command = [found, f"--config.file={file}", f"--web.listen-address={BLACKBOX_LISTEN}"]
            ready = f"http://{BLACKBOX_LISTEN}/-/healthy"
            scraping = meanwhile(lambda over: asyncio.run(_scrape(scene, over)))
            with started(command, ready) as process, scraping:
                yield process

    missing = None if found else "`make tools` builds it"
    return Client("blackbox_exporter, the body alone", "fresh", run, missing)


async def _scrape(scene: Scene, over: threading.Event) -> None:
    """Request concurrent probes from blackbox_exporter."""
    params = {"module": "chat", "target": f"{scene.url}/v1/chat/completions"}

    async def ask(client: httpx.AsyncClient, delay_seconds: float) -> None:
        await asyncio.sleep(delay_seconds)
        while not over.is_set():
            answer = await client.get(f"http://{BLACKBOX_LISTEN}/probe", params=params)
            assert "\nprobe_success 1\n" in answer.text

    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(timeout=30, trust_env=False, limits=limits) as client,
        asyncio.TaskGroup() as asking,
    ):
        for number in range(scene.streams):
            asking.create_task(ask(client, scene.script_seconds * number / scene.streams))


def _tool(peer: Peer) -> Client:
    @contextmanager
    def run(scene: Scene) -> Iterator[Running]:
        """Run the tool with its defaults, with as many processes and cores as it uses."""
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            job = Run(scene.url, scene.model, scene.streams, _TOOL_SECONDS, place)
            with session(peer.command(job), place / "log", cwd=place, held=False) as one:
                yield one

    missing = None if peer.installed else "`make bench-peers` installs it"
    return Client(peer.name, "reuse", run, missing, is_tool=True)


def clients() -> Iterator[Client]:
    """Yield the clients in the order of the table, the limits first."""
    connections: tuple[Connection, ...] = ("reuse", "fresh")
    for connection, language in product(connections, ("C", "Python")):
        yield _least(language, "unread", connection)
        yield _least(language, "parsed", connection)
    for connection in connections:
        yield _exporter(connection)
    yield _python("our probe, without schedule, series and log", "ours")
    yield _python("plain httpx", "plain httpx")
    yield _blackbox()
    for peer in PEERS:
        yield _tool(peer)
