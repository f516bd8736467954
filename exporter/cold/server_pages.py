"""The pages on which a model server tells how it is: its health, and the models that it has."""

from __future__ import annotations

import asyncio
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
from exporter.net.failure import NetworkFailure
from exporter.net.transport import EXCHANGE, Connections
from exporter.providers.asks import is_listed
from exporter.providers.wire import Wire, parse_if
from exporter.result import NANOSECONDS
from exporter.settings.presentable import MAX_DETAIL_CHARACTERS, presentable
from exporter.settings.secret import SecretError

_PATIENCE_SECONDS = 5.0
_MAX_PAGE_BYTES = 1 << 20
_MAX_PAGE_PARTS = 1 << 14
"""Some 500 models of vLLM; a page with more is taken for no list."""


class _Model(Wire):
    id: str | None = None
    name: str | None = None  # Ollama, which says "models" where others say "data"


class _ModelList(Wire):
    data: list[_Model] | None = None
    models: list[_Model] | None = None

    @property
    def names(self) -> set[str | None] | None:
        """``None`` where this is no list at all."""
        if self.data is None and self.models is None:
            return None
        listed = (*(self.data or ()), *(self.models or ()))
        return {model.id for model in listed} | {model.name for model in listed}


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a page showed; times are monotonic nanoseconds."""

    began_ns: int
    connected_ns: int | None = None
    """``None`` if nobody was there."""
    answered_ns: int | None = None
    status: int | None = None
    """``None`` if there was no answer, or none in time."""
    body: bytes = b""
    detail: str = ""
    """What is wrong, for people."""

    @property
    def is_good(self) -> bool:
        """Whether there was an answer without a complaint. A page that the server does not have,
        or does not show to us, cannot complain."""
        return self.status is not None and self.status < HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def is_down(self) -> bool:
        """Whether nobody was there, or the answer was a complaint. A server that takes long to
        answer may only be busy."""
        return self.connected_ns is None or (self.status is not None and not self.is_good)

    def lists(self, model: str) -> bool:
        """Whether the page is a list of models that has this one, or is no such list."""
        names = (parse_if(_ModelList, self.body, _MAX_PAGE_PARTS) or _ModelList()).names
        return self.is_good and (names is None or is_listed(model, names))


class ServerPages:
    """Looks at the pages of one target's server, over a new connection each time."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connections = Connections(target)

    async def look(self, path: str) -> Look:
        """What the server shows now."""
        began_ns, exchange = time.monotonic_ns(), Exchange()
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                request = httpx.Request(
                    "GET",
                    urljoin(self._target.endpoint, path),
                    headers=await self._headers(),
                    extensions={EXCHANGE: exchange},
                )
                async with self._connections.transport(fresh=True) as transport:
                    response = await transport.handle_async_request(request)
                    body = await _body_of(response)
        except NetworkFailure as error:
            return Look(began_ns, detail=presentable(str(error), MAX_DETAIL_CHARACTERS))
        except TimeoutError:
            detail = f"{path} was not answered within {_PATIENCE_SECONDS:g} s"
            return Look(began_ns, _connected_ns(began_ns, exchange), detail=detail)
        status = response.status_code
        return Look(
            began_ns,
            _connected_ns(began_ns, exchange),
            exchange.latest_arrival().at,
            status,
            body,
            f"{path} is answered with HTTP {status}",
        )

    async def _headers(self) -> dict[str, str]:
        headers = {"user-agent": USER_AGENT}
        with suppress(SecretError):  # probes tell of it
            if self._target.api_key:
                headers["authorization"] = f"Bearer {await fetch(self._target.api_key)}"
            headers |= await self._target.header_values()
        return headers


async def _body_of(response: httpx.Response) -> bytes:
    """The beginning of a body."""
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
    """When the TCP connection stood."""
    phases = exchange.connection
    if phases is None:
        return None
    seconds = (phases.dns_seconds or 0.0) + (phases.tcp_seconds or 0.0)
    return began_ns + round(seconds * NANOSECONDS)
