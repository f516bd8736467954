"""The speed of the measured core, from moment to moment.

On a shared host, a virtual core is often half of a physical one. Whatever the neighbor does on the
other half can make everything on this one take nearly twice as long, for tenths of a second or for
minutes. The guest's own statistics don't show it. So a small loop on the same core measures it: it
takes either its shortest time or 1.4 to 2 times as long, and hardly anything in between.

Run as a module, this prints the time of the loop again and again.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.running import favour, session

_STEPS, _TRIES = 300, 3
_PAUSE_SECONDS = 0.02
_SLOW = 1.4
"""The core is slow if the loop takes this many times as long as in its fastest moments."""
_FASTEST = 0.05
"""The share of the samples that counts as the fastest moments."""
_LEAST_SLICES = 40
_LEAST_SPREAD = 0.1
"""With fewer slices, or a lower standard deviation of their slow shares, the effect can't be told
from noise."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The CPU time of a client in a fraction of a second. Times are monotonic seconds."""

    began: float
    ended: float
    cpu_seconds: float

    @property
    def cpu_share(self) -> float:
        """The share of one core."""
        return self.cpu_seconds / (self.ended - self.began)


@dataclass(frozen=True, slots=True)
class CoreSpeed:
    """The speed of the core during some slices."""

    slow_share: float | None
    """The share of the time in which it was slow. ``None`` if the loop never ran."""
    at_full_speed: float | None
    """The CPU time at full speed, as a share of the measured CPU time. ``None`` if the slices
    are too few, or the speed was nearly the same in all of them."""

    @classmethod
    def during(cls, slices: Sequence[Slice], samples: Sequence[tuple[float, float]]) -> CoreSpeed:
        """Compare the CPU time of each slice with the speed of the core during it.

        :param samples: the monotonic time of each run of the loop, and how long it took.
        """
        if not samples:
            return cls(None, None)
        durations = sorted(duration for _, duration in samples)
        limit = _SLOW * durations[int(_FASTEST * len(durations))]
        slow_shares, cpu_shares = [], []
        for one in slices:
            slow = [took > limit for at, took in samples if one.began <= at < one.ended]
            if slow:
                slow_shares.append(statistics.mean(slow))
                cpu_shares.append(one.cpu_share)
        if not slow_shares:
            return cls(None, None)
        mean = statistics.mean(slow_shares)
        if len(slow_shares) < _LEAST_SLICES or statistics.stdev(slow_shares) < _LEAST_SPREAD:
            return cls(mean, None)
        line = statistics.linear_regression(slow_shares, cpu_shares)
        return cls(mean, line.intercept / statistics.mean(cpu_shares))


class SpeedLog:
    """The samples of a running sampler."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def during(self, slices: Sequence[Slice]) -> CoreSpeed:
        """Return how fast the core was."""
        words = (line.split() for line in self._file.read_text().splitlines())
        return CoreSpeed.during(slices, [(float(at), float(took)) for at, took in words])


@contextmanager
def speed_log() -> Iterator[SpeedLog]:
    """Sample the speed of the measured core during the block."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "speed")
        with session([sys.executable, "-m", __name__], file) as sampler:
            favour(sampler.pid)
            yield SpeedLog(file)


def _loop_seconds() -> float:
    """Return how long a loop takes that mostly runs bytecode and allocates little."""
    began, texts = time.perf_counter(), {}
    for number in range(_STEPS):
        texts[number & 255] = str(number)
    return time.perf_counter() - began


def _sample() -> None:
    while True:
        took = min(_loop_seconds() for _ in range(_TRIES))
        os.write(sys.stdout.fileno(), f"{time.monotonic()} {took}\n".encode())
        time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    _sample()
