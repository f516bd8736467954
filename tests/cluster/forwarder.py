"""A TCP forwarder that can be cut. It doesn't change any bytes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit


class Forwarder:
    """Listens on 127.0.0.1 and forwards bytes in both directions."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname or "", parts.port or 443)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{parts.scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open = threading.Event()
        self._open.set()
        self._refusing = False
        self._sockets: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self._listener.close()
        self._open.set()

    def open(self) -> None:
        """Forward again. Swallowed data is lost with its connections."""
        if not self._open.is_set():
            self._hang_up()
        self._refusing = False
        self._open.set()

    def refuse(self) -> None:
        """Close all connections, and each new one."""
        self._refusing = True
        self._hang_up()

    def swallow(self) -> None:
        """Leave connections open without forwarding anything, like a lost network."""
        self._open.clear()

    def _hang_up(self) -> None:
        for each in list(self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._refusing:
                    near.close()
                    continue
                far = socket.create_connection(self._to) if self._open.is_set() else None
                self._sockets.add(near)
                if far:
                    self._sockets.add(far)
                    for one, other in ((near, far), (far, near)):
                        threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self._open.is_set():
                    return  # swallowed, along with everything after it
                sink.sendall(data)
        if self._open.is_set():
            for each in (source, sink):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
