"""Response bodies of scrapes: made in a worker thread, once for all who ask at the same time."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterable, Iterator

from starlette.requests import Request
from starlette.responses import Response

from exporter.exposition import Format, negotiated
from exporter.series import Exposed

_GZIP_LEVEL = 1  # twice the speed of the next, for a tenth more bytes
_GZIP_WINDOW = zlib.MAX_WBITS | 16
_NO_GZIP = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")

Key = tuple[Format, bool]


class Scrapes:
    """Answers scrapes of the same families.

    Two Prometheus servers of a highly available pair often ask together. Whoever comes while a
    body in the same format is being made gets that one: it is some milliseconds older than its
    request.
    """

    def __init__(self) -> None:
        self._under_way: dict[Key, asyncio.Task[bytes]] = {}

    async def answer(self, shown: Iterable[Exposed], request: Request) -> Response:
        """The families in the format and coding that the request prefers."""
        format_, compressed = _wishes(request)
        body = await asyncio.shield(self._body(shown, (format_, compressed)))
        return _response(body, format_, compressed)

    def _body(self, shown: Iterable[Exposed], key: Key) -> asyncio.Task[bytes]:
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(_body, shown, *key))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key))
        return task


async def answer_once(shown: Iterable[Exposed], request: Request) -> Response:
    """These families alone, for this request alone."""
    format_, compressed = _wishes(request)
    body = await asyncio.to_thread(_body, shown, format_, compressed)
    return _response(body, format_, compressed)


def _wishes(request: Request) -> Key:
    coding = request.headers.get("Accept-Encoding", "")
    compressed = "gzip" in coding and not _NO_GZIP.search(coding)
    return negotiated(request.headers.get("Accept", "")), compressed


def _response(body: bytes, format_: Format, compressed: bool) -> Response:
    headers = {"Content-Type": format_.content_type, "Vary": "Accept, Accept-Encoding"}
    if compressed:
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers)


def _body(shown: Iterable[Exposed], format_: Format, compressed: bool) -> bytes:
    parts = format_.parts(shown)
    return b"".join(_zipped(parts) if compressed else parts)


def _zipped(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Compressed part by part; zlib lets other threads run meanwhile."""
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW)
    for part in parts:
        yield compressor.compress(part)
    yield compressor.flush()
