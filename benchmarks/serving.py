"""Runs the exporter's web server without an exporter, with metrics and status pages."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from contextlib import closing, contextmanager

from exporter.config.web import Web
from exporter.metrics.registry import Metrics
from exporter.observation import Observation
from exporter.site.backend import Condition
from exporter.site.server import WebServer
from exporter.site.status import Status


class _Backend:
    """The parts of an exporter that scrapes and pages need."""

    lifecycle_enabled = False
    ready = True
    condition = Condition()

    def __init__(self, metrics: Metrics, status: Status, loop: asyncio.AbstractEventLoop) -> None:
        self.metrics = metrics
        self.status = status
        self.loop = loop

    async def probe_target(self, name: str) -> tuple[Observation, ...]:
        raise KeyError(name)

    async def reload(self) -> None:
        return


@contextmanager
def serving(metrics: Metrics, status: Status | None = None) -> Iterator[str]:
    """Serve metrics and a status during the block; yield the URL."""
    with closing(asyncio.new_event_loop()) as loop:
        server = WebServer(_Backend(metrics, status or Status(), loop), Web(listen="127.0.0.1:0"))
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


SCRAPE_EVERY_SECONDS = 1.0
_SCRAPER = """
import os, sys, time, urllib.request
os.nice(19)  # in life it is on another machine and takes no core away
url, coding, pause, count = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
request = urllib.request.Request(url + "/metrics", headers={"Accept-Encoding": coding})
for _ in range(count):
    started = time.monotonic()
    size = len(urllib.request.urlopen(request, timeout=60).read())
    print(time.monotonic() - started, size)
    time.sleep(max(0, started + pause - time.monotonic()))
"""


async def scrape_from_outside(
    url: str, coding: str, count: int, every_seconds: float = SCRAPE_EVERY_SECONDS
) -> list[tuple[float, int]]:
    """Scrape again and again from another process; return the seconds and bytes of each scrape."""
    arguments = (sys.executable, "-c", _SCRAPER, url, coding, str(every_seconds), str(count))
    scraper = await asyncio.create_subprocess_exec(*arguments, stdout=PIPE)
    try:
        output, _ = await scraper.communicate()
    finally:
        if scraper.returncode is None:
            scraper.kill()
            await scraper.wait()
    lines = [line.split() for line in output.decode().splitlines()]
    return [(float(seconds), int(size)) for seconds, size in lines]
