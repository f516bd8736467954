"""Runs the exporter as its command does, with a socket that reports internal statistics.

Resident memory doesn't distinguish a leak from an allocator that keeps freed memory. The number of
Python's allocated blocks does, and so do the statistics of the C library.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import re
import socket
import sys
import threading
import weakref
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from exporter.__main__ import main as exporter

_loops: weakref.WeakSet[asyncio.BaseEventLoop] = weakref.WeakSet()
_libc = ctypes.CDLL(None)
_libc.open_memstream.restype = ctypes.c_void_p
_libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
_libc.fclose.argtypes = _libc.free.argtypes = [ctypes.c_void_p]
_SIZE = re.compile(r'<(\w+) type="(\w+)"(?: count="\d+")? size="(\d+)"')


@dataclass(frozen=True, slots=True)
class Inside:
    """Statistics from within the process."""

    tasks: int
    """The number of asyncio tasks in all loops."""
    blocks: int
    """The number of memory blocks that Python has allocated."""
    tracked: int
    """The number of objects that the garbage collector tracks, frozen ones included."""
    in_use_mb: float
    """Allocated memory in the C library's heap. Python has its own arenas for small objects."""
    kept_mb: float
    """Freed memory that the C library keeps."""


def ask(path: Path) -> Inside:
    """Request the statistics of the process that listens on this socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        with connection.makefile() as answer:
            return Inside(**json.load(answer))


def _look() -> Inside:
    in_use, kept = _heap()
    return Inside(
        tasks=sum(len(asyncio.all_tasks(loop)) for loop in tuple(_loops)),
        blocks=sys.getallocatedblocks(),
        tracked=len(gc.get_objects()) + gc.get_freeze_count(),
        in_use_mb=in_use / 1e6,
        kept_mb=kept / 1e6,
    )


def _heap() -> tuple[int, int]:
    """Return the used and free bytes, from malloc_info(3)."""
    text, size = ctypes.c_char_p(), ctypes.c_size_t()
    stream = _libc.open_memstream(ctypes.byref(text), ctypes.byref(size))
    _libc.malloc_info(0, stream)
    _libc.fclose(stream)
    told = (text.value or b"").decode()
    _libc.free(text)
    totals = {(kind, of): int(size) for kind, of, size in _SIZE.findall(told)}  # the last ones
    kept = totals["total", "fast"] + totals["total", "rest"]
    return totals["system", "current"] + totals["total", "mmap"] - kept, kept


def _answer(path: str) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(path)
        server.listen()
        while True:
            connection, _ = server.accept()
            with connection:
                connection.sendall(json.dumps(asdict(_look())).encode())


def _note_loops() -> None:
    begin = asyncio.BaseEventLoop.__init__

    def begin_noted(self: asyncio.BaseEventLoop) -> None:
        begin(self)
        _loops.add(self)

    setattr(asyncio.BaseEventLoop, "__init__", begin_noted)  # noqa: B010  mypy forbids the other


if __name__ == "__main__":
    _note_loops()
    threading.Thread(target=_answer, args=(sys.argv.pop(1),), daemon=True).start()
    exporter()
