"""What the kernel's scheduler says of this thread.

``/proc/thread-self/schedstat`` (Documentation/scheduler/sched-stats.rst) has three numbers: the
nanoseconds that the thread ran, the nanoseconds that it was ready to run and did not, and how
often it was put on a processor. Kernels without that account (gVisor, say) and other systems have
no such file, or one full of zeros.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

_FILE = "/proc/thread-self/schedstat"
_MAX_BYTES = 96


class Account(NamedTuple):
    """All that the thread has had so far."""

    ran_ns: int
    waited_ns: int
    """While it was ready to run: another thread had the processor, or its control group had used
    up its quota."""
    starts: int
    """One for each time that it slept and was woken, or was set aside and went on."""

    def __sub__(self, before: Account) -> Account:
        return Account(
            self.ran_ns - before.ran_ns,
            self.waited_ns - before.waited_ns,
            self.starts - before.starts,
        )


class RunQueue:
    """The account of the thread that asks first."""

    def __init__(self, file: str | Path = _FILE) -> None:
        self._file = file
        self._descriptor: int | None = None
        self._is_asked = False

    def account(self) -> Account | None:
        """The account as it stands; ``None`` where the kernel keeps none."""
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
