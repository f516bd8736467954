"""What a series says: a counter, a gauge or a histogram, with the exemplars of its observations."""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from exporter.metrics.family import Family

NATIVE_SCHEMA = 3
"""Resolution of native histograms: eight buckets to a power of two, each at most 9.1 % wide."""
_NATIVE_BOUNDS = tuple(2 ** (i / 2**NATIVE_SCHEMA) / 2 for i in range(2**NATIVE_SCHEMA))


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One observation, and the provider's id of the request behind it."""

    request_id: str
    value: float
    timestamp: float
    """Unix seconds."""


class Home(Protocol):
    """Where a value lives: it changes under the lock, and leaves its home stale."""

    family: Family
    lock: threading.Lock
    stale: bool


class Value(ABC):
    """One value, or one histogram, that tells its block when it changes."""

    __slots__ = ("_block",)

    def __init__(self, block: Home) -> None:
        self._block = block

    @abstractmethod
    def take(self, amount: float, exemplar: str | None = None) -> None:
        """Take in an amount as this kind of value does; ``exemplar`` is the id of the request that
        it comes from."""


class Counter(Value):
    """A number that only grows."""

    __slots__ = ("exemplar", "value")

    def __init__(self, block: Home) -> None:
        super().__init__(block)
        self.value = 0.0
        self.exemplar: Exemplar | None = None

    def inc(self, amount: float = 1.0, exemplar: str | None = None) -> None:
        """Add an amount; ``exemplar`` is the id of the request that it stands for.

        :raises ValueError: the amount is negative.
        """
        if amount < 0:
            raise ValueError("counters only grow")
        with self._block.lock:
            self.value += amount
            if exemplar:
                self.exemplar = Exemplar(exemplar, amount, time.time())
            self._block.stale = True

    take = inc

    def grow_to(self, total: float) -> None:
        """Have this value, for sums that are kept more exactly elsewhere.

        :raises ValueError: it is less than before.
        """
        if total < self.value:
            raise ValueError("counters only grow")
        with self._block.lock:
            self.value = total
            self._block.stale = True


class Gauge(Value):
    """A number as it is now."""

    __slots__ = ("value",)

    def __init__(self, block: Home) -> None:
        super().__init__(block)
        self.value = 0.0

    def set(self, value: float) -> None:
        with self._block.lock:
            self.value = float(value)
            self._block.stale = True

    def take(self, amount: float, exemplar: str | None = None) -> None:
        self.set(amount)


class Histogram(Value):
    """Observations in classic buckets and, finer, in those of a native histogram."""

    __slots__ = ("counts", "exemplars", "native", "sum", "zeroes")

    def __init__(self, block: Home) -> None:
        super().__init__(block)
        buckets = len(block.family.buckets) + 1
        self.counts = [0] * buckets
        """By classic bucket, each for itself; the last one has no upper bound."""
        self.exemplars: list[Exemplar | None] = [None] * buckets
        self.native = NativeCounts()
        self.zeroes = 0
        self.sum = 0.0

    @property
    def latest_exemplar(self) -> Exemplar | None:
        known = [exemplar for exemplar in self.exemplars if exemplar]
        return max(known, key=lambda exemplar: exemplar.timestamp, default=None)

    def observe(self, value: float, exemplar: str | None = None) -> None:
        """Count one observation; ``exemplar`` is the id of the request behind it."""
        bucket = bisect_left(self._block.family.buckets, value)
        with self._block.lock:
            self.counts[bucket] += 1
            self.sum += value
            if value > 0:
                self.native.add(native_index(value))
            else:
                self.zeroes += 1
            if exemplar:
                self.exemplars[bucket] = Exemplar(exemplar, value, time.time())
            self._block.stale = True

    def take(self, amount: float, exemplar: str | None = None) -> None:
        self.observe(amount, exemplar)


class NativeCounts:
    """How many observations each native bucket has, from the lowest to the highest that has any.

    Dense, and so a fifth of a dict: rare values keep adding buckets for weeks.
    """

    __slots__ = ("_counts", "_lowest")

    def __init__(self) -> None:
        self._counts = array("Q")
        self._lowest = 0

    def add(self, index: int) -> None:
        """Count one more in the bucket with this index."""
        if not self._counts:
            self._lowest = index
        if index < self._lowest:
            self._counts = _zeroes(self._lowest - index) + self._counts
            self._lowest = index
        place = index - self._lowest
        if place >= len(self._counts):
            self._counts += _zeroes(place + 1 - len(self._counts))
        self._counts[place] += 1

    def items(self) -> Iterator[tuple[int, int]]:
        """The index and the count of each bucket that has any, the lowest first."""
        return ((at, count) for at, count in enumerate(self._counts, self._lowest) if count)


def _zeroes(count: int) -> array[int]:
    return array("Q", bytes(8 * count))


def native_index(value: float) -> int:
    """The native bucket of a positive value: its upper bound is ``2 ** (index / 8)``, inclusive.

    Source: "Native Histograms" in the Prometheus specification.
    """
    fraction, exponent = math.frexp(value)
    return bisect_left(_NATIVE_BOUNDS, fraction) + (exponent - 1) * len(_NATIVE_BOUNDS)
