"""Response bodies of scrapes: rendered in the background, once for all simultaneous requests."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from exporter.metrics.exposition import Format, negotiated
from exporter.metrics.series import Exposed
from exporter.process.pauses import Pauses

_GZIP_LEVEL = 1  # twice the speed of the next, for a tenth more bytes
_GZIP_WINDOW = zlib.MAX_WBITS | 16
_NO_GZIP = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")

Key = tuple[Format, bool]
Parts = tuple[bytes, ...]
"""A body in pieces."""
Background = Callable[[Callable[[], Parts]], Awaitable[Parts]]
"""Runs work that takes processor time."""


class Everything(Protocol):
    """Returns all metric families, with native histograms if the format supports them."""

    def __call__(self, *, native: bool) -> Iterable[Exposed]: ...


class Scrapes:
    """Answers scrapes.

    The two Prometheus servers of a highly available pair often scrape at the same time. A request
    that arrives while a body in the same format is being rendered gets that body, which is a little
    older than the request.
    """

    def __init__(self, in_background: Background, last_idle: Callable[[], int]) -> None:
        """Create it without a scrape.

        :param last_idle: as in ``Pauses``.
        """
        self._in_background = in_background
        self._last_idle = last_idle
        self._under_way: dict[Key, asyncio.Task[Parts]] = {}

    async def answer(self, everything: Everything, request: Request) -> Response:
        """All families, in the format and encoding that the request prefers."""
        key = _wishes(request)
        return _response(await asyncio.shield(self._shared(everything, key)), *key)

    async def answer_alone(self, shown: Iterable[Exposed], request: Request) -> Response:
        """These families, rendered for this request only."""
        key = _wishes(request)
        return _response(await self._made(shown, key), *key)

    def _shared(self, everything: Everything, key: Key) -> asyncio.Task[Parts]:
        task = self._under_way.get(key)
        if task is None:
            shown = everything(native=key[0].native)
            task = self._under_way[key] = asyncio.create_task(self._made(shown, key))
            task.add_done_callback(lambda _: self._under_way.pop(key))
        return task

    async def _made(self, shown: Iterable[Exposed], key: Key) -> Parts:
        return await self._in_background(lambda: _parts(shown, *key, Pauses(self._last_idle)))


def _wishes(request: Request) -> Key:
    coding = request.headers.get("Accept-Encoding", "").lower()
    compressed = "gzip" in coding and not _NO_GZIP.search(coding)
    return negotiated(request.headers.get("Accept", "")), compressed


class _InParts(Response):
    """A response whose body is sent in parts.

    Each part is freed once it is sent. Returning the memory of all parts to the kernel in one step
    would delay the loop that reads streams. Starlette's ``StreamingResponse`` could do the same,
    but takes 4 MB for a module with which it also notices clients that have gone.
    """

    def __init__(self, parts: Parts, headers: Mapping[str, str]) -> None:
        super().__init__(headers={**headers, "Content-Length": str(sum(map(len, parts)))})
        self._parts = deque(parts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        while self._parts:
            part = self._parts.popleft()
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})


def _response(parts: Parts, format_: Format, compressed: bool) -> Response:
    headers = {"Content-Type": format_.content_type, "Vary": "Accept, Accept-Encoding"}
    if compressed:
        headers["Content-Encoding"] = "gzip"
    return _InParts(parts, headers)


def _parts(shown: Iterable[Exposed], format_: Format, compressed: bool, pauses: Pauses) -> Parts:
    parts = format_.parts(shown, pauses)
    return tuple(filter(None, _zipped(parts) if compressed else parts))


def _zipped(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Compress part by part. Other threads run while zlib works."""
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW)
    for part in parts:
        yield compressor.compress(part)
    yield compressor.flush()
