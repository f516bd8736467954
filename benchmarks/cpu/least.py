"""The least that it takes to read streamed answers in Python, on asyncio's own loop.

It takes the arguments of the client in C, does the same, and prints the same counts. The comment at
the top of ``client/client.c`` describes both. The standard library parses the JSON of each event,
and httptools the HTTP chunks. Linux only.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from dataclasses import asdict, dataclass
from typing import Any

import httptools

from benchmarks.truth.clients import request_body
from exporter.process.stamps import SO_TIMESTAMPNS, TIMESPEC, stamp_arrivals, stamp_in

_READ_BYTES = 1 << 16
_ANCILLARY_BYTES = socket.CMSG_SPACE(TIMESPEC.size)
_LAST = b"\r\n0\r\n\r\n"
"""The empty chunk after another one."""
_STANDARD_INPUT = 0
_OUTPUT = ("content", "reasoning_content", "reasoning")


@dataclass(slots=True)
class Counted:
    """What all streams read."""

    probes: int = 0
    reads: int = 0
    stamped: int = 0
    bytes: int = 0
    events: int = 0
    outputs: int = 0
    finished: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """What to read, and from where."""

    is_parsed: bool
    is_fresh: bool
    address: tuple[str, int]
    request: bytes
    probes: int
    """The number of answers after which to stop; 0 to go on until standard input is closed."""
    counted: Counted
    over: asyncio.Future[None]


class _Events:
    """Counts the events of one answer. httptools calls ``on_body``."""

    def __init__(self, counted: Counted) -> None:
        self._counted = counted
        self._rest = b""

    def on_body(self, body: bytes) -> None:
        *lines, self._rest = (self._rest + body).split(b"\n")
        for line in lines:
            if line.startswith(b"data:") and not line.rstrip().endswith(b"[DONE]"):
                self._take(json.loads(line[5:]))

    def _take(self, event: dict[str, Any]) -> None:
        counted = self._counted
        counted.events += 1
        for choice in event["choices"]:
            delta = choice["delta"]
            counted.outputs += any(map(delta.get, _OUTPUT))
            counted.finished += choice.get("finish_reason") is not None
        if usage := event.get("usage"):
            counted.tokens += usage["completion_tokens"]


class Stream:
    """Asks again as soon as it has an answer."""

    _sock: socket.socket | None = None
    _tail = b""
    _parser: httptools.HttpResponseParser | None = None

    def __init__(self, job: Job) -> None:
        self._job = job

    def ask(self) -> None:
        """Send the request, over a new connection if there is none."""
        job = self._job
        if self._sock is None:
            self._sock = self._connected()
        if job.is_parsed:
            self._parser = httptools.HttpResponseParser(_Events(job.counted))
        self._tail = b""
        self._sock.send(job.request)

    def _connected(self) -> socket.socket:
        sock = socket.create_connection(self._job.address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        stamp_arrivals(sock)
        asyncio.get_running_loop().add_reader(sock, self._readable, sock)
        return sock

    def _readable(self, sock: socket.socket) -> None:
        data, ancillary, _, _ = sock.recvmsg(_READ_BYTES, _ANCILLARY_BYTES)
        if not data:
            raise ConnectionError("the server closed the connection")
        counted = self._job.counted
        counted.reads += 1
        counted.bytes += len(data)
        counted.stamped += stamp_in(ancillary, SO_TIMESTAMPNS) is not None
        if self._parser:
            self._parser.feed_data(data)
        self._tail = (self._tail + data)[-len(_LAST) :]
        if self._tail == _LAST:
            self._answered()

    def _answered(self) -> None:
        job = self._job
        job.counted.probes += 1
        if job.is_fresh:
            self.close()
        if job.counted.probes == job.probes:
            job.over.set_result(None)
        else:
            self.ask()

    def close(self) -> None:
        """Close the connection if there is one."""
        if self._sock:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()
            self._sock = None


async def read(parsing: str, connection: str, host: str, *words: str) -> dict[str, int]:
    """Keep streams going until there are enough answers, and return the counts.

    :raises Exception: whatever a stream raises.
    """
    port, model, streams, spread_ms, probes = words
    body = json.dumps(request_body(model)).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    loop.set_exception_handler(lambda _, context: over.set_exception(context["exception"]))
    job = Job(
        is_parsed=parsing == "parsed",
        is_fresh=connection == "fresh",
        address=(host, int(port)),
        request=head.encode() + body,
        probes=int(probes),
        counted=Counted(),
        over=over,
    )
    asking = [Stream(job) for _ in range(int(streams))]
    if not job.probes:
        loop.add_reader(_STANDARD_INPUT, over.set_result, None)
    for number, stream in enumerate(asking):
        loop.call_later(int(spread_ms) / 1000 * number / len(asking), stream.ask)
    try:
        await over
    finally:
        loop.remove_reader(_STANDARD_INPUT)
        for stream in asking:
            stream.close()
    return asdict(job.counted)


def main() -> None:
    print(json.dumps(asyncio.run(read(*sys.argv[1:]))))


if __name__ == "__main__":
    main()
