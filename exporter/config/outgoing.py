"""The complete HTTP request, including headers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import httpx

from exporter import USER_AGENT
from exporter.providers.base import HttpRequest

_HEADERS = {
    "user-agent": USER_AGENT,
    "accept-encoding": "identity",  # compression holds tokens back until a block is full
}


@lru_cache(maxsize=4096)
def _url(url: str) -> httpx.URL:
    """A target is asked at the same URL again and again."""
    return httpx.URL(url)


def outgoing(
    request: HttpRequest, further: Mapping[str, str], extensions: Mapping[str, Any] | None = None
) -> httpx.Request:
    """A dialect's request with the headers that every request has, and the target's own over them.

    :raises httpx.InvalidURL: nothing could be sent there.
    :raises ValueError: a header, or the name of the host, cannot be sent.
    """
    headers = httpx.Headers(_HEADERS)
    headers.update(request.headers)
    headers.update(further)
    return httpx.Request(
        request.method,
        _url(request.url),
        headers=headers,
        content=request.body,
        extensions=dict(extensions or {}),
    )
