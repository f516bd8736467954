"""Formats and writes log lines in a separate thread, so that logging can't delay anything else.

Redaction takes time, and a provider can prolong it. Writing blocks if the reader of standard error
stops reading: a pipe is full after 64 kB.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Full, Queue

MOST_WAITING = 2_000
_PATIENCE_SECONDS = 1.0

log = logging.getLogger(__name__)


class UnheardLog(Exception):
    """The last log lines could not be written in time, and waiting longer might never end."""


class _ThreadHandler(logging.Handler):
    """Queues lines for the thread. If the queue is full, it drops and counts them."""

    def __init__(self, writer: logging.Handler) -> None:
        super().__init__()
        self._writer = writer
        self._waiting: Queue[logging.LogRecord | None] = Queue(MOST_WAITING)
        self._lost = 0
        self._unheard = False
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._waiting.put_nowait(record)
        except Full:
            self._lost += 1

    def end(self) -> bool:
        """Stop the thread. Returns whether it wrote all lines in time."""
        with suppress(Full):
            self._waiting.put(None, timeout=_PATIENCE_SECONDS)
            self._thread.join(_PATIENCE_SECONDS)
        self._unheard = self._thread.is_alive()
        return not self._unheard

    def _write_all(self) -> None:
        while (record := self._waiting.get()) and not self._unheard:
            # ``emit`` skips the handler's lock, which the exit of the process also needs.
            self._writer.emit(record)
            if self._lost:
                lost, self._lost = self._lost, 0
                log.warning("%d log lines lost: nothing read them in time", lost)


@contextmanager
def logs_in_thread() -> Iterator[None]:
    """Write everything logged in this block in a separate thread.

    :raises UnheardLog: at the end of the block, if the last lines could not be written.
    """
    root = logging.getLogger()
    writers = root.handlers
    handlers = [_ThreadHandler(writer) for writer in writers]
    root.handlers = list[logging.Handler](handlers)
    try:
        yield
    finally:
        root.handlers = writers
        unheard = [handler for handler in handlers if not handler.end()]
    if unheard:
        raise UnheardLog
