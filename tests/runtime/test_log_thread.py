"""A separate thread writes the log, so a stalled reader blocks nothing."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.process import log_thread
from exporter.process.log_thread import MOST_WAITING, UnheardLog, logs_in_thread

pytestmark = pytest.mark.usefixtures("restored_logging")
log = logging.getLogger("exporter.test")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, a thread can be late."""
    monkeypatch.setattr(log_thread, "_PATIENCE_SECONDS", 60.0)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def writes_to(descriptor: int) -> None:
    handler = logging.StreamHandler(os.fdopen(descriptor, "w", closefd=False))
    logging.getLogger().handlers = [handler]


def test_lines_are_written_in_order_and_all_of_them_before_the_end(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        writes_to(file.fileno())
        with logs_in_thread():
            for number in range(500):
                log.warning("line %d", number)
        log.warning("after")
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == [*(f"line {number}" for number in range(500)), "after"]


def test_nobody_reads_and_nobody_waits(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_thread, "_PATIENCE_SECONDS", 0.05)
    writes_to(pipe[1])
    context = logs_in_thread()
    context.__enter__()
    for _ in range(3 * MOST_WAITING):
        log.warning("x" * 200)  # more than a pipe holds
    with pytest.raises(UnheardLog):
        context.__exit__(None, None, None)
    _read_until_nobody_writes(pipe[0])


def _read_until_nobody_writes(descriptor: int) -> None:
    writers = [thread for thread in threading.enumerate() if thread.name == "log"]
    os.set_blocking(descriptor, False)
    while any(thread.is_alive() for thread in writers):
        try:
            os.read(descriptor, 1 << 16)
        except BlockingIOError:
            for thread in writers:
                thread.join(0.01)


def test_what_was_lost_is_told(pipe: tuple[int, int]) -> None:
    writes_to(pipe[1])
    read: list[bytes] = []

    def reader() -> None:
        while not read or b"last" not in read[-1]:
            read.append(os.read(pipe[0], 1 << 16))

    with logs_in_thread():
        for _ in range(3 * MOST_WAITING):
            log.warning("x" * 200)
        reading = threading.Thread(target=reader)
        reading.start()
        while b"log lines lost" not in b"".join(read):
            reading.join(0.01)
        log.warning("last")
    reading.join()
