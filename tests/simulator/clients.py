"""Clients that see single bytes, to check what the simulator sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from exporter.simulator import Simulator


def body_of(model: str = "m", **fields: Any) -> bytes:
    """Return the body of a streaming chat completion request that asks for usage."""
    return json.dumps(
        {
            "model": model,
            "messages": [{"role": "user", "content": "Count to twenty"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            **fields,
        }
    ).encode()


def request(body: bytes | None = None, *headers: str) -> bytes:
    """Return a complete HTTP request for a chat completion."""
    body = body_of() if body is None else body
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: simulator", *headers]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


CLOSING = "connection: close"


class RawClient:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(30):
            return await self._reader.readuntil(end)

    async def next_read(self) -> bytes:
        """Return the bytes of one read."""
        async with asyncio.timeout(30):
            return await self._reader.read(1 << 16)

    async def rest(self) -> bytes:
        """Return everything until the connection ends."""
        async with asyncio.timeout(30):
            return await self._reader.read()


@asynccontextmanager
async def connected(simulator: Simulator) -> AsyncIterator[RawClient]:
    host, _, port = simulator.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()


async def ask(simulator: Simulator, body: bytes | None = None) -> bytes:
    """Return the complete response, head and chunks, on a new connection."""
    async with connected(simulator) as client:
        client.send(request(body, CLOSING))
        return await client.rest()


def events(response: bytes) -> list[str]:
    """Return the server-sent events of a response, without its HTTP chunks."""
    _, _, rest = response.partition(b"\r\n\r\n")
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body.decode().removesuffix("\n\n").split("\n\n")


def messages(response: bytes) -> list[dict[str, Any]]:
    """Return the JSON of every event with JSON data."""
    data = [event.removeprefix("data: ") for event in events(response)]
    return [json.loads(text) for text in data if text.startswith("{")]
