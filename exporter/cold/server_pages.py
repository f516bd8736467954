"""Reads the health and model list endpoints of a model server."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast
from urllib.parse import urljoin

import httpx

from exporter import USER_AGENT
from exporter.config.fetching import fetch
from exporter.config.target import Target
from exporter.net.exchange import Exchange
from exporter.net.failure import NetworkFailure, OwnFault
from exporter.net.transport import EXCHANGE, Connections
from exporter.probing.deadlines import within
from exporter.providers.asks import is_listed
from exporter.providers.wire import Wire, parse_if
from exporter.result import NANOSECONDS
from exporter.settings.presentable import MAX_DETAIL_CHARACTERS, presentable
from exporter.settings.secret import SecretError

_PATIENCE_SECONDS = 5.0
_MAX_PAGE_BYTES = 1 << 20
_MAX_PAGE_PARTS = 1 << 14
"""About 500 models of vLLM. A response with more does not count as a model list."""


class _Model(Wire):
    id: str | None = None
    name: str | None = None  # in Ollama, whose key is "models" instead of "data"


class _ModelList(Wire):
    data: list[_Model] | None = None
    models: list[_Model] | None = None

    @property
    def names(self) -> set[str | None] | None:
        """The names of the models; ``None`` if the response is not a model list."""
        if self.data is None and self.models is None:
            return None
        listed = (*(self.data or ()), *(self.models or ()))
        return {model.id for model in listed} | {model.name for model in listed}


@dataclass(frozen=True, slots=True)
class PageResult:
    """The result of one request. Times are monotonic nanoseconds."""

    began_ns: int
    connected_ns: int | None = None
    """``None`` if there was no connection."""
    answered_ns: int | None = None
    status: int | None = None
    """The HTTP status; ``None`` without a response in time."""
    body: bytes = b""
    detail: str = ""
    """What went wrong, for people."""

    @property
    def is_good(self) -> bool:
        """Whether the response is not a server error. A server without this endpoint, or one that
        denies access to it, counts as good."""
        return self.status is not None and self.status < HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def is_down(self) -> bool:
        """Whether there was no connection, or the response is a server error. A server that
        doesn't respond in time might only be busy."""
        return self.connected_ns is None or (self.status is not None and not self.is_good)

    def lists(self, model: str) -> bool:
        """Whether the server lists this model. A good response that is not a model list counts as
        listing every model."""
        names = (parse_if(_ModelList, self.body, _MAX_PAGE_PARTS) or _ModelList()).names
        return self.is_good and (names is None or is_listed(model, names))


class ServerPages:
    """Requests the endpoints of one target's server, over a new connection each time."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connections = Connections(target)

    async def get(self, path: str) -> PageResult:
        """Request one path. The server's failures are part of the result.

        :raises OwnFault: the exporter itself lacks something, or didn't run.
        """
        began_ns, exchange = time.monotonic_ns(), Exchange()
        try:
            async with within(_PATIENCE_SECONDS, exchange):
                request = httpx.Request(
                    "GET",
                    urljoin(self._target.endpoint, path),
                    headers=await self._headers(),
                    extensions={EXCHANGE: exchange},
                )
                async with self._connections.transport(fresh=True) as transport:
                    response = await transport.handle_async_request(request)
                    body = await _body_of(response)
        except OwnFault:
            raise
        except NetworkFailure as error:
            return PageResult(began_ns, detail=presentable(str(error), MAX_DETAIL_CHARACTERS))
        except TimeoutError:
            detail = f"no response to {path} within {_PATIENCE_SECONDS:g} s"
            return PageResult(began_ns, _connected_ns(began_ns, exchange), detail=detail)
        status = response.status_code
        return PageResult(
            began_ns,
            _connected_ns(began_ns, exchange),
            exchange.latest_arrival().at,
            status,
            body,
            f"{path} returns HTTP {status}",
        )

    async def _headers(self) -> dict[str, str]:
        headers = {"user-agent": USER_AGENT}
        with suppress(SecretError):  # probes report it
            if self._target.api_key:
                headers["authorization"] = f"Bearer {await fetch(self._target.api_key)}"
            headers |= await self._target.header_values()
        return headers


async def _body_of(response: httpx.Response) -> bytes:
    """The beginning of a response body."""
    body = bytearray()
    try:
        async with aclosing(cast(AsyncGenerator[bytes, None], response.aiter_raw())) as parts:
            async for part in parts:
                body += part
                if len(body) > _MAX_PAGE_BYTES:
                    break
    finally:
        await response.aclose()
    return bytes(body)


def _connected_ns(began_ns: int, exchange: Exchange) -> int | None:
    """When the TCP connection was established, monotonic nanoseconds."""
    phases = exchange.connection
    if phases is None:
        return None
    seconds = (phases.dns_seconds or 0.0) + (phases.tcp_seconds or 0.0)
    return began_ns + round(seconds * NANOSECONDS)
