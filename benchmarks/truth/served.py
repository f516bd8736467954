"""Runs the truth server and reads its log."""

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
    """The server's log of one request, in wall-clock nanoseconds."""

    id: str
    received_ns: int
    """The arrival of the request's last segment, according to the kernel."""
    read_ns: int
    """The time when the server had read the request."""
    first_token_ns: int
    first_token_written_ns: int
    """The time when the write returned. The real send is between ``first_token_ns`` and this."""
    last_token_ns: int
    last_token_written_ns: int
    end_ns: int
    end_written_ns: int


@contextmanager
def truth_server() -> Iterator[str]:
    """Build a truth server and run it during the block; yield its base URL."""
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
            server.stdin.close()  # ends the server


class Truth:
    """Reads the server's log incrementally."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._count = 0

    def sends(self) -> dict[str, Sends]:
        """Return the new log entries since the last call, by request ID."""
        sends = self._new()
        self._count += len(sends)
        return {one.id: one for one in sends}

    @property
    def was_asked(self) -> bool:
        """Whether the server answered a request since the last call of ``sends``."""
        return bool(self._new())

    def _new(self) -> list[Sends]:
        answer = httpx.get(f"{self.url}/log", params={"since": self._count}, trust_env=False)
        return [Sends(**fields) for fields in answer.json()]
