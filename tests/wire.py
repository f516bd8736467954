"""A loopback server that sends exact bytes at exact times, from its own thread.

Of HTTP, it knows only where a request ends. A test specifies every byte that is sent.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto


class Act(Enum):
    """What a script can do besides sending bytes and waiting."""

    CLOSE = auto()
    RESET = auto()
    HANG = auto()


Step = bytes | float | Act | threading.Event
"""Bytes to send, seconds to wait, an act, or an event to wait for, so that a test decides when the
server goes on."""

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"content-type: text/event-stream\r\n"
    b"x-request-id: req_1\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    """Return one HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def response(status: int, body: bytes, *headers: bytes) -> bytes:
    """Return a complete response with a length."""
    lines = [b"HTTP/1.1 %d Status" % status, b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@dataclass
class WireServer:
    """The requests that the server received, and when it sent each piece."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    sent_at: list[int] = field(default_factory=list)
    """Monotonic nanoseconds before each send, over all connections."""
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def wire_server(
    *scripts: Sequence[Step],
    tls: ssl.SSLContext | None = None,
    greets: bool = False,
    port: int = 0,
) -> Iterator[WireServer]:
    """Serve the scripts in order, one per request. The last one serves all further requests.

    :param greets: play the first script on each new connection, before any request.
    """
    server = WireServer()
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", port))
    listener.settimeout(0.05)
    server.port = listener.getsockname()[1]

    def accept() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            if stop.is_set():
                connection.close()
                return
            server.connections += 1
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def serve(connection: socket.socket) -> None:
        connection.settimeout(60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = connection
        try:
            if tls:
                stream = tls.wrap_socket(connection, server_side=True)
            while request := b"hello" if greets else _read_request(stream):
                server.requests.append(request)
                script = scripts[min(len(server.requests), len(scripts)) - 1]
                if not _play(stream, script, server, stop):
                    return
        except OSError:
            pass
        finally:
            stream.close()
            connection.close()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        stop.set()
        _knock(server.port)
        acceptor.join()
        listener.close()


def _knock(port: int) -> None:
    """Wake up the server on this port, so that it needn't wait for its timeout."""
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()


def _play(
    stream: socket.socket, script: Sequence[Step], server: WireServer, stop: threading.Event
) -> bool:
    """Return whether the connection can serve another request."""
    for step in script:
        match step:
            case bytes():
                server.sent_at.append(time.monotonic_ns())
                stream.sendall(step)
            case Act.CLOSE:
                stream.close()
                return False
            case Act.RESET:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                stream.close()
                return False
            case Act.HANG:
                stop.wait()
                return False
            case threading.Event():
                step.wait()
            case _:
                time.sleep(step)
    return True


def _read_request(stream: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := stream.recv(65536)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += stream.recv(65536)
    return head + b"\r\n\r\n" + body
