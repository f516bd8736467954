"""The Linux scheduler's statistics of the current thread.

``/proc/thread-self/schedstat`` (Documentation/scheduler/sched-stats.rst) has three numbers: the
nanoseconds that the thread ran on a CPU, the nanoseconds that it waited on a run queue, and the
number of times that it was put on a CPU. Kernels without these statistics, such as gVisor, and
other systems have no such file, or one with zeros.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

_FILE = "/proc/thread-self/schedstat"
_MAX_BYTES = 96


class Account(NamedTuple):
    """The statistics since the thread began."""

    ran_ns: int
    waited_ns: int
    """Time on the run queue: another thread had the CPU, or the control group had used up its
    quota."""
    starts: int
    """Times that it got a CPU, after sleeping or after being preempted."""

    def __sub__(self, before: Account) -> Account:
        return Account(
            self.ran_ns - before.ran_ns,
            self.waited_ns - before.waited_ns,
            self.starts - before.starts,
        )


class RunQueue:
    """Reads the statistics of the thread that calls ``account`` first."""

    def __init__(self, file: str | Path = _FILE) -> None:
        self._file = file
        self._descriptor: int | None = None
        self._is_asked = False

    def account(self) -> Account | None:
        """The current statistics; ``None`` if the kernel has none."""
        if not self._is_asked:
            self._is_asked = True
            with contextlib.suppress(OSError):
                self._descriptor = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
        if self._descriptor is None:
            return None
        try:
            ran, waited, starts = map(int, os.pread(self._descriptor, _MAX_BYTES, 0).split())
        except (OSError, ValueError):
            return None
        return Account(ran, waited, starts) if starts else None

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
