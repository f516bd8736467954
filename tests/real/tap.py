"""A TCP proxy that forwards bytes unchanged, and records what the server sends."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PIECE_BYTES = 1 << 16


class Tap(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.server_port = port
        self.heard = b""
        """Everything that the server sent, in order."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Connection(socketserver.BaseRequestHandler):
    server: Tap

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with socket.create_connection(("127.0.0.1", self.server.server_port)) as beyond:
            threading.Thread(target=_carry, args=(self.request, beyond), daemon=True).start()
            with suppress(OSError):
                while data := beyond.recv(_PIECE_BYTES):
                    self.request.sendall(data)
                    self.server.heard += data


def _carry(near: socket.socket, beyond: socket.socket) -> None:
    with suppress(OSError):
        while data := near.recv(_PIECE_BYTES):
            beyond.sendall(data)
        beyond.shutdown(socket.SHUT_WR)


@contextmanager
def tapping(port: int) -> Iterator[Tap]:
    with Tap(port) as tap:
        thread = threading.Thread(target=tap.serve_forever)
        thread.start()
        try:
            yield tap
        finally:
            tap.shutdown()
            thread.join()
