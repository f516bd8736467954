"""The exporter's own HTTP server.

It runs in a separate thread with its own event loop, so that scrapes and pages never delay the
loop that reads streams.
"""

from __future__ import annotations

import socket
import threading
from functools import partial
from pathlib import Path

import uvicorn

from exporter.config.web import Web
from exporter.process.descriptors import for_server
from exporter.settings.mistakes import ConfigError
from exporter.settings.url import authority
from exporter.site.backend import Backend
from exporter.site.guard import Guard, ReloadingContext
from exporter.site.listener import IDLE_SECONDS, Listener
from exporter.site.protocol import MAX_HEAD_BYTES, HttpProtocol
from exporter.site.routes import routes
from exporter.site.toolkit_file import WebConfigFile

GRACEFUL_STOP_SECONDS = 3
"""How long running requests can continue after ``stop``."""


class WebError(Exception):
    """The web server cannot be started; the message is for the user."""


class ListenError(WebError):
    """The address isn't available."""


class _Server(uvicorn.Server):
    """Closes expired connections ten times a second."""

    def __init__(self, listener: Listener, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._listener = listener

    async def on_tick(self, counter: int) -> bool:
        self._listener.close_expired()
        return await super().on_tick(counter)


class WebServer:
    """The HTTP server of one back end."""

    def __init__(self, backend: Backend, web: Web) -> None:
        self._backend = backend
        self._web = web

    def start(self) -> None:
        """Listen, then serve in a separate thread.

        :raises WebError: the address or ``web.config_file`` cannot be used.
        """
        file = _read(self._web.config_file)
        listener = Listener(_listen(self._web), for_server(self._web.max_connections))
        self.url = _url("https" if file.has_tls else "http", listener)
        self._server = _Server(
            listener,
            uvicorn.Config(
                Guard(routes(self._backend, enable_probe=self._web.enable_probe), file),
                ssl_context_factory=(lambda *_: ReloadingContext(file)) if file.has_tls else None,
                http=partial(HttpProtocol, listener),  # type: ignore[arg-type]
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="error",  # any client could fill the log with warnings
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=round(IDLE_SECONDS),
                timeout_graceful_shutdown=GRACEFUL_STOP_SECONDS,
            ),
        )
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="web", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Let running requests finish within ``GRACEFUL_STOP_SECONDS``, then close."""
        self._server.should_exit = True
        self._thread.join(GRACEFUL_STOP_SECONDS + 2)


def _read(config_file: Path | None) -> WebConfigFile:
    try:
        return WebConfigFile(config_file)
    except ConfigError as error:
        raise WebError(str(error)) from error


def _listen(web: Web) -> socket.socket:
    host, port = web.host_and_port
    ipv6 = ":" in host
    try:
        return socket.create_server(
            (host, port),
            family=socket.AF_INET6 if ipv6 else socket.AF_INET,
            dualstack_ipv6=ipv6 and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        why, _, _ = (error.strerror or str(error)).partition(" (while")  # Python's own addition
        raise ListenError(f"cannot listen on {web.listen}: {why}") from error


def _url(scheme: str, listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://{authority(host, port)}"
