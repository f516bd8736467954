"""The exporter's own web server without an exporter: metrics to be scraped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager

from exporter.config import Web
from exporter.metrics import Metrics
from exporter.result import ProbeResult
from exporter.status import Status
from exporter.web import WebServer


class _Backend:
    """As much of an exporter as a scrape needs."""

    lifecycle_enabled = False
    ready = True

    def __init__(self, metrics: Metrics, loop: asyncio.AbstractEventLoop) -> None:
        self.metrics = metrics
        self.status = Status()
        self.loop = loop

    async def probe_target(self, name: str) -> tuple[ProbeResult, ...]:
        raise KeyError(name)

    async def reload(self) -> None:
        return


@contextmanager
def serving(metrics: Metrics) -> Iterator[str]:
    """The URL at which these metrics are served, for the time of the block."""
    with closing(asyncio.new_event_loop()) as loop:
        server = WebServer(_Backend(metrics, loop), Web(listen="127.0.0.1:0"))
        server.start()
        try:
            yield server.url
        finally:
            server.stop()
