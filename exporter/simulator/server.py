"""The simulator: one port that plays every provider from scripts."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections import deque
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import h11

from exporter.settings.url import authority
from exporter.simulator.connection import Connection, open_connection
from exporter.simulator.handler import Facts, Refused, Request, Response
from exporter.simulator.handlers import handler_for
from exporter.simulator.ledger import Entry, Served
from exporter.simulator.model import ModelState, Presence
from exporter.simulator.pages import page
from exporter.simulator.script import Script
from exporter.simulator.serving import Serving, send
from exporter.simulator.steps import Error, ErrorKind

_LEDGER_LENGTH = 5_000
_BACKLOG = 1024
_ACCEPT_PAUSE_SECONDS = 0.1


class Simulator:
    """A real HTTP server on a loopback (or other) address. Use it with ``async with``.

    ``scripts`` defines the behavior of each model. You can change the mapping between requests.
    ``accept_seconds`` is the delay before a new connection is accepted, including its TLS
    handshake. ``listen_after_seconds`` is how long connections are refused at first, as by vLLM
    while it boots.
    """

    def __init__(
        self,
        scripts: Mapping[str, Script],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        accept_seconds: float = 0.0,
        listen_after_seconds: float = 0.0,
    ) -> None:
        self.scripts = dict(scripts)
        self._host = host
        self._port = port
        self._api_key = api_key
        self._ssl_context = ssl_context
        self._accept_seconds = accept_seconds
        self._listen_after_seconds = listen_after_seconds
        self._ledger: deque[Served] = deque(maxlen=_LEDGER_LENGTH)
        self._models: dict[str, ModelState] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections = 0
        self._requests = 0
        self._started_ns = 0

    @property
    def url(self) -> str:
        """The base URL of the server, known after it has started."""
        scheme = "https" if self._ssl_context else "http"
        return f"{scheme}://{authority(self._host, self._port)}"

    @property
    def ledger(self) -> tuple[Served, ...]:
        """What was served so far, oldest first. Old entries are dropped."""
        return tuple(self._ledger)

    @property
    def connections(self) -> int:
        """How many connections were accepted."""
        return self._connections

    async def __aenter__(self) -> Self:
        listener = _bound(self._host, self._port)
        if not self._listen_after_seconds:
            listener.listen(_BACKLOG)
        self._port = listener.getsockname()[1]
        self._started_ns = time.monotonic_ns()
        self._spawn(self._accept(listener), listener)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def restart(self) -> None:
        """Abort everything, unload all models, and boot again at the same address."""
        await self._stop()
        self._models.clear()
        await self.__aenter__()

    def _spawn(self, work: Coroutine[Any, Any, None], sock: socket.socket) -> None:
        """Run a task that owns a socket.

        A task that is canceled early never starts, so it can't close the socket itself.
        """
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: sock.close())

    async def _accept(self, listener: socket.socket) -> None:
        if self._listen_after_seconds:
            await asyncio.sleep(self._listen_after_seconds)
            listener.listen(_BACKLOG)
        while True:
            try:
                sock = await _accepted(listener)
            except OSError:  # out of file descriptors, or the client has disconnected
                await asyncio.sleep(_ACCEPT_PAUSE_SECONDS)
                continue
            self._connections += 1
            self._spawn(self._serve(sock, self._connections), sock)

    async def _serve(self, sock: socket.socket, number: int) -> None:
        """Serve one client until it disconnects, without affecting any other."""
        await asyncio.sleep(self._accept_seconds)
        try:
            connection = await open_connection(sock, number, self._ssl_context)
        except OSError:
            return
        try:
            with suppress(OSError):
                await self._converse(connection)
        except asyncio.CancelledError:
            connection.abort()
            raise
        finally:
            await connection.close()

    async def _converse(self, connection: Connection) -> None:
        """Answer requests one at a time."""
        try:
            while request := await connection.next_request():
                entry = self._entry(connection, request)
                try:
                    answer = self._answer(connection, request, entry)
                    await connection.while_client_stays(answer)
                finally:
                    entry.commit()
        except h11.RemoteProtocolError as error:
            text = (("content-type", "text/plain"),)
            response = Response(error.error_status_hint, text, f"{error}\n".encode())
            connection.keep_alive = False
            await connection.write(connection.whole(response))

    def _entry(self, connection: Connection, request: Request) -> Entry:
        return Entry(
            commit_to=self._ledger.append,
            connection=connection.number,
            request=connection.requests,
            path=request.path,
        )

    async def _answer(self, connection: Connection, request: Request, entry: Entry) -> None:
        handler = handler_for(request)
        if handler is None:
            await send(connection, entry, page(request, self._presences()))
            return
        self._requests += 1
        facts = Facts(number=self._requests, created_at=int(time.time()))
        exchange = Serving(handler, request, connection, entry, facts)
        try:
            call = exchange.read(self._api_key)
            if call.model is None:
                await exchange.answer_at_once(call, self._presences())
                return
            script = self._script(call.model)
            await exchange.answer(call, script, self._state(call.model))
        except Refused as refused:
            await exchange.refuse(refused.error)

    def _script(self, model: str) -> Script:
        try:
            return self.scripts[model]
        except KeyError:
            raise Refused(
                Error(ErrorKind.MODEL_NOT_FOUND, f"The model {model!r} does not exist.")
            ) from None

    def _state(self, model: str) -> ModelState:
        fresh = ModelState(model, self._started_ns, self._started_ns)
        return self._models.setdefault(model, fresh)

    def _presences(self) -> dict[str, Presence]:
        now = time.monotonic_ns()
        return {
            model: self._state(model).presence(script.boot, now)
            for model, script in self.scripts.items()
        }


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket at this address. It refuses connections until it listens.

    :raises OSError: the address isn't available.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setblocking(False)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return sock


async def _accepted(listener: socket.socket) -> socket.socket:
    """Return the next connection.

    asyncio's own ``sock_accept`` loses a connection that comes while it is canceled. A server that
    restarts while clients connect does that all the time.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            waits = asyncio.Event()
            loop.add_reader(listener, waits.set)
            try:
                await waits.wait()
            finally:
                loop.remove_reader(listener)
        else:
            sock.setblocking(False)
            return sock
