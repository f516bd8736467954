"""The provider of the soak test: a small server in its own process that counts requests.

The requested model determines the answer. ``GET /ledger`` returns the number of requests by model.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen

import httpx


def _answer(*bodies: bytes) -> bytes:
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    return head + b"".join(b"%x\r\n%s\r\n" % (len(body), body) for body in bodies) + b"0\r\n\r\n"


def _event(**fields: object) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def _whole(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


OUTPUT_TOKENS = 2
"""The number of output tokens of a good answer."""
_TOKEN = _event(choices=[{"delta": {"content": "1"}}])
_GOOD = (
    _TOKEN
    + _event(choices=[{"delta": {"content": "2"}, "finish_reason": "stop"}])
    + _event(choices=[], usage={"prompt_tokens": 9, "completion_tokens": OUTPUT_TOKENS})
)
_DONE = b"data: [DONE]\n\n"
_CUT = _answer(_TOKEN)[: -len(b"0\r\n\r\n")]

ANSWERS: dict[str, tuple[bytes, bool]] = {
    "good": (_answer(_GOOD, _DONE), False),
    "rate_limited": (_whole(b"429 Slow", b'{"error":{"message":"slow"}}'), False),
    "server_error": (_whole(b"500 Oh", b"<h1>Oh</h1>"), False),
    "truncated": (_CUT, True),
    "protocol": (_answer(_TOKEN, b"data: {{{\n\n"), False),
    "empty": (_answer(_DONE), False),
    "auth": (_whole(b"401 Who", b""), True),
    "not_found": (_whole(b"404 No", b"{}"), False),
    "bad_request": (_whole(b"400 No", b'{"error":null}'), True),
    "overloaded": (_whole(b"503 Later", b"overloaded"), False),
    "timeout_first_token": (b"", False),
    "timeout_stall": (_CUT, False),
}
"""The bytes of each answer, and whether the connection ends after it, by failure reason."""

_MODEL = re.compile(rb'"model": ?"([^"-]*)(-[^"]*)?"')
_LENGTH = re.compile(rb"content-length: ?(\d+)", re.IGNORECASE)


class _Connection(asyncio.Protocol):
    def __init__(self, ledger: Counter[str]) -> None:
        self._ledger = ledger
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._data = b""
        if head.startswith(b"GET /ledger"):
            self._transport.write(_whole(b"200 OK", json.dumps(self._ledger).encode()))
        elif model := _MODEL.search(body):
            self._ledger[(model[1] + (model[2] or b"")).decode()] += 1
            answer, ends = ANSWERS[model[1].decode()]
            self._transport.write(answer)
            if ends:
                self._transport.close()


async def _serve() -> None:
    ledger: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(ledger), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def soak_server() -> Iterator[str]:
    """Run the server during the block; yield its URL."""
    with Popen([sys.executable, "-m", "benchmarks.soak.server"], stdout=PIPE) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def ledger_of(url: str) -> Counter[str]:
    """Return the number of requests by model."""
    return Counter(httpx.get(f"{url}/ledger", trust_env=False).json())


if __name__ == "__main__":
    asyncio.run(_serve())
