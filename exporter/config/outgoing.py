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
    """Cache URLs, because every probe of a target uses the same one."""
    return httpx.URL(url)


def outgoing(
    request: HttpRequest, further: Mapping[str, str], extensions: Mapping[str, Any] | None = None
) -> httpx.Request:
    """Add the common headers and the target's own headers to a dialect's request.

    The target's headers override the dialect's, which override the common ones.

    :param further: the target's own headers.
    :raises httpx.InvalidURL: the URL is invalid.
    :raises ValueError: a header or the host name can't be sent.
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
