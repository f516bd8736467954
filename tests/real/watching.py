"""The boot phases of a server, as seen by the test."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

_LOOK_SECONDS = 0.005


@dataclass
class Watch:
    """When the server first accepted a connection, was healthy, and logged that it is up, in Unix
    seconds."""

    port: int
    log: Path | None = None
    said: str = ""
    """The log line that says the server is up."""
    listening: float = math.nan
    healthy: float = math.nan
    up: float = math.nan
    over: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        """Poll until the server is healthy."""
        known = self.log.stat().st_size if self.log and self.log.exists() else 0
        while not self.over.is_set() and (math.isnan(self.healthy) or math.isnan(self.up)):
            if math.isnan(self.up):
                self._look_into_log(known)
            if math.isnan(self.healthy):
                with suppress(OSError, HTTPException):
                    self._look_at_port()
            time.sleep(_LOOK_SECONDS)

    def _look_into_log(self, known: int) -> None:
        if self.log is None:
            self.up = math.inf
        elif self.log.exists() and self.said in self.log.read_text()[known:]:
            self.up = time.time()

    def _look_at_port(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        with closing(connection):
            connection.connect()
            if math.isnan(self.listening):
                self.listening = time.time()
            connection.request("GET", "/health")
            if connection.getresponse().status == HTTPStatus.OK:
                self.healthy = time.time()


@contextmanager
def watching(port: int, log: Path | None = None, said: str = "") -> Iterator[Watch]:
    watch = Watch(port, log, said)
    thread = threading.Thread(target=watch.look)
    thread.start()
    try:
        yield watch
    finally:
        watch.over.set()
        thread.join()


def wait_for(condition: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
