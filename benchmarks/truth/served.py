"""The truth server, and what it says that it sent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.running import favour

_PRIORITY = -15
_SOURCE = Path(__file__).with_name("server")


@dataclass(frozen=True, slots=True)
class Sends:
    """What the server says about one request, wall-clock nanoseconds."""

    id: str
    received_ns: int
    """When the request's last segment arrived, by the kernel."""
    read_ns: int
    """When the server had read it."""
    first_token_ns: int
    first_token_written_ns: int
    """When the write returned; with ``first_token_ns`` it encloses the real send."""
    last_token_ns: int
    last_token_written_ns: int
    end_ns: int
    end_written_ns: int


@contextmanager
def truth_server() -> Iterator[str]:
    """The base URL of a truth server, built and started for the time of the block."""
    go = shutil.which("go")
    if go is None:
        sys.exit("the truth server is built with Go (https://go.dev/dl/), which is missing")
    with tempfile.TemporaryDirectory() as directory:
        binary = Path(directory, "truth")
        subprocess.run(
            [go, "build", "-trimpath", "-o", binary, "."],
            cwd=_SOURCE,
            check=True,
            env={**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off"},
        )
        with subprocess.Popen(
            [binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            favour(server.pid, _PRIORITY)
            yield server.stdout.readline().decode().strip()
            server.stdin.close()  # makes it end


class Truth:
    """Reads the server's log on from where it was read before."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._count = 0

    def sends(self) -> dict[str, Sends]:
        """What was sent since the last call, by request id."""
        sends = self._new()
        self._count += len(sends)
        return {one.id: one for one in sends}

    @property
    def was_asked(self) -> bool:
        """Whether an answer was given since ``sends`` was called."""
        return bool(self._new())

    def _new(self) -> list[Sends]:
        answer = httpx.get(f"{self.url}/log", params={"since": self._count}, trust_env=False)
        return [Sends(**fields) for fields in answer.json()]
