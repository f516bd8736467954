"""The exporter as its users run it: in its own process, located by its own output."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx

T = TypeVar("T")


def free_port() -> int:
    """Return a port of 127.0.0.1 where nobody listens.

    On Linux, it stays reserved as long as this process lives: a socket that is bound and doesn't
    listen keeps the kernel from choosing the port for another socket. A server that asks for this
    port gets it.
    """
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        if sys.platform == "linux":
            reserved.detach()  # it's never closed
        return port


def eventually(
    get: Callable[[], T], until: Callable[[T], object] = bool, seconds: float = 120
) -> T:
    """Return a value once it meets the condition. Fail with the last value otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        seen: object
        try:
            value = get()
        except httpx.HTTPError as error:
            seen = error
        else:
            if until(value):
                return value
            seen = value
        assert time.monotonic() < deadline, f"after {seconds} s still {seen!r}"
        time.sleep(0.05)


@contextmanager
def process(
    command: Sequence[str | Path], log: Path, **env: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the block ends. End it with SIGTERM, or with SIGKILL if that fails."""
    with log.open("wb") as output:
        running = subprocess.Popen(
            [str(part) for part in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
        )
        try:
            yield running
        finally:
            if running.poll() is None:
                running.terminate()
            try:
                running.wait(60)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def exporter(*arguments: str | Path) -> list[str | Path]:
    """Return the command line that runs the exporter."""
    return [sys.executable, "-m", "exporter", *arguments]


def cli(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the exporter until it ends."""
    return subprocess.run(
        [str(part) for part in exporter(*arguments)],
        capture_output=True,
        text=True,
        timeout=150,
        env={**os.environ, **env},
        check=False,
    )
