"""Log lines made and written by a thread of their own.

Searching a line for secrets takes time that a provider can draw out, and whoever reads standard
error may stop reading: a pipe is full after 64 kB. Neither may hold up anything else.
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
    """Nobody takes the last lines of the log, and waiting for that might never end."""


class _Beside(logging.Handler):
    """Keeps lines until the thread takes them; those that find no room are only counted."""

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
        """Whether all was written, within a short time."""
        with suppress(Full):
            self._waiting.put(None, timeout=_PATIENCE_SECONDS)
            self._thread.join(_PATIENCE_SECONDS)
        self._unheard = self._thread.is_alive()
        return not self._unheard

    def _write_all(self) -> None:
        while (record := self._waiting.get()) and not self._unheard:
            self._writer.emit(record)  # without its lock, which the end of the process asks for
            if self._lost:
                lost, self._lost = self._lost, 0
                log.warning("%d log lines lost: nothing read them in time", lost)


@contextmanager
def logs_beside() -> Iterator[None]:
    """Let a thread write what is logged in this block.

    :raises UnheardLog: at the end, when the last lines could not be written.
    """
    root = logging.getLogger()
    writers = root.handlers
    beside = [_Beside(writer) for writer in writers]
    root.handlers = list[logging.Handler](beside)
    try:
        yield
    finally:
        root.handlers = writers
        unheard = [handler for handler in beside if not handler.end()]
    if unheard:
        raise UnheardLog
