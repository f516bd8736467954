"""The values of series: counters, gauges, and histograms, with exemplars of their observations."""

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
"""The resolution of native histograms: eight buckets per power of two, each at most 9.1 % wide."""
_NATIVE_BOUNDS = tuple(2 ** (i / 2**NATIVE_SCHEMA) / 2 for i in range(2**NATIVE_SCHEMA))


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One observation, and the provider's ID of its request."""

    request_id: str
    value: float
    timestamp: float
    """Unix seconds."""


class Home(Protocol):
    """The owner of a value. The value changes under the owner's lock, and marks it as stale."""

    family: Family
    lock: threading.Lock
    stale: bool


class Value(ABC):
    """One value or histogram, which marks its block as stale when it changes."""

    __slots__ = ("_block", "own")

    def __init__(self, block: Home, own: tuple[str, ...] = ()) -> None:
        self._block = block
        self.own = own
        """The values of the family's own labels."""

    @abstractmethod
    def take(self, amount: float, exemplar: str | None = None) -> None:
        """Record an amount. What that means depends on the kind of value.

        :param exemplar: the ID of the request that the amount comes from.
        """


class Counter(Value):
    """A number that only grows."""

    __slots__ = ("exemplar", "value")

    def __init__(self, block: Home, own: tuple[str, ...] = ()) -> None:
        super().__init__(block, own)
        self.value = 0.0
        self.exemplar: Exemplar | None = None

    def inc(self, amount: float = 1.0, exemplar: str | None = None) -> None:
        """Add an amount.

        :param exemplar: the ID of the request that the amount comes from.
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
        """Set the total, for sums that are kept more precisely elsewhere.

        :raises ValueError: the total is less than before.
        """
        if total < self.value:
            raise ValueError("counters only grow")
        with self._block.lock:
            self.value = total
            self._block.stale = True


class Gauge(Value):
    """The current value of a number."""

    __slots__ = ("value",)

    def __init__(self, block: Home, own: tuple[str, ...] = (), value: float = 0.0) -> None:
        super().__init__(block, own)
        self.value = value

    def set(self, value: float) -> None:
        with self._block.lock:
            self.value = float(value)
            self._block.stale = True

    def take(self, amount: float, exemplar: str | None = None) -> None:
        self.set(amount)


class Histogram(Value):
    """Observations in classic buckets, and in the finer buckets of a native histogram."""

    __slots__ = ("counts", "exemplars", "native", "sum", "zeroes")

    def __init__(self, block: Home, own: tuple[str, ...] = ()) -> None:
        super().__init__(block, own)
        buckets = len(block.family.buckets) + 1
        self.counts = [0] * buckets
        """The count of each classic bucket, not cumulative. The last bucket has no upper bound."""
        self.exemplars: list[Exemplar | None] = [None] * buckets
        self.native = Counts()
        self.zeroes = 0
        self.sum = 0.0

    @property
    def latest_exemplar(self) -> Exemplar | None:
        known = [exemplar for exemplar in self.exemplars if exemplar]
        return max(known, key=lambda exemplar: exemplar.timestamp, default=None)

    def observe(self, amount: float, exemplar: str | None = None) -> None:
        """Count one observation.

        :param exemplar: the ID of the request that it comes from.
        """
        bucket = bisect_left(self._block.family.buckets, amount)
        with self._block.lock:
            self.counts[bucket] += 1
            self.sum += amount
            if amount > 0:
                self.native.add(native_index(amount))
            else:
                self.zeroes += 1
            if exemplar:
                self.exemplars[bucket] = Exemplar(exemplar, amount, time.time())
            self._block.stale = True

    take = observe


class Counts:
    """The counts of fine buckets, from the lowest to the highest non-empty bucket.

    A dense array needs a fifth of the memory of a dict: rare values keep adding buckets for weeks.
    """

    __slots__ = ("_counts", "_lowest")

    def __init__(self) -> None:
        self._counts = array("Q")
        self._lowest = 0

    def add(self, index: int, times: int = 1) -> None:
        """Add to the bucket with this index."""
        if not self._counts:
            self._lowest = index
        if index < self._lowest:
            self._counts = _zeroes(self._lowest - index) + self._counts
            self._lowest = index
        place = index - self._lowest
        if place >= len(self._counts):
            self._counts += _zeroes(place + 1 - len(self._counts))
        self._counts[place] += times

    def items(self) -> Iterator[tuple[int, int]]:
        """Yield the index and the count of each non-empty bucket, lowest first."""
        return ((at, count) for at, count in enumerate(self._counts, self._lowest) if count)


def _zeroes(count: int) -> array[int]:
    return array("Q", bytes(8 * count))


def native_index(value: float) -> int:
    """Return the native bucket of a positive value. Its upper bound is ``2 ** (index / 8)``,
    inclusive.

    Source: "Native Histograms" in the Prometheus specification.
    """
    fraction, exponent = math.frexp(value)
    return bisect_left(_NATIVE_BOUNDS, fraction) + (exponent - 1) * len(_NATIVE_BOUNDS)
