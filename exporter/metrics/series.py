"""Values and the series that they make, kept together with their rendering.

A scrape of a thousand targets shows hundreds of thousands of series, of which each probe changes
a few. So the series of one family and one target form a ``Block``, which remembers what it looks
like in each format that somebody scrapes; a scrape is then little more than a concatenation.
kube-state-metrics keeps its series in the same way.

Values are changed in one thread, the probing one, and rendered in others too. The lock of a block
keeps the two apart: no rendering shows half a change, and none replaces a newer one.
"""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from exporter.metrics.family import Family, Kind
from exporter.observation import Observation

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


class Value(ABC):
    """One value, or one histogram, that tells its block when it changes."""

    __slots__ = ("_block",)

    def __init__(self, block: Block) -> None:
        self._block = block

    @abstractmethod
    def take(self, amount: float, exemplar: str | None = None) -> None:
        """Take in an amount as this kind of value does; ``exemplar`` is the id of the request that
        it comes from."""


class Counter(Value):
    """A number that only grows."""

    __slots__ = ("exemplar", "value")

    def __init__(self, block: Block) -> None:
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

    def __init__(self, block: Block) -> None:
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

    def __init__(self, block: Block) -> None:
        super().__init__(block)
        buckets = len(block.family.buckets) + 1
        self.counts = [0] * buckets
        """By classic bucket, each for itself; the last one has no upper bound."""
        self.exemplars: list[Exemplar | None] = [None] * buckets
        self.native: dict[int, int] = {}
        """By index of the native bucket."""
        self.zeroes = 0
        self.sum = 0.0

    def observe(self, value: float, exemplar: str | None = None) -> None:
        """Count one observation; ``exemplar`` is the id of the request behind it."""
        bucket = bisect_left(self._block.family.buckets, value)
        with self._block.lock:
            self.counts[bucket] += 1
            self.sum += value
            if value > 0:
                index = native_index(value)
                self.native[index] = self.native.get(index, 0) + 1
            else:
                self.zeroes += 1
            if exemplar:
                self.exemplars[bucket] = Exemplar(exemplar, value, time.time())
            self._block.stale = True

    def take(self, amount: float, exemplar: str | None = None) -> None:
        self.observe(amount, exemplar)


def native_index(value: float) -> int:
    """The native bucket of a positive value: its upper bound is ``2 ** (index / 8)``, inclusive.

    Source: "Native Histograms" in the Prometheus specification.
    """
    fraction, exponent = math.frexp(value)
    return bisect_left(_NATIVE_BOUNDS, fraction) + (exponent - 1) * len(_NATIVE_BOUNDS)


_KINDS: Mapping[Kind, type[Counter | Gauge | Histogram]] = {
    Kind.COUNTER: Counter,
    Kind.GAUGE: Gauge,
    Kind.HISTOGRAM: Histogram,
}
V = TypeVar("V", Counter, Gauge, Histogram)
LabelledValue = tuple[Mapping[str, str], float]
"""With the labels of the family's own."""


class Block:
    """The series of one family that share their leading labels."""

    __slots__ = ("_rendered", "children", "family", "labels", "lock", "stale")

    def __init__(self, family: Family, labels: Mapping[str, str]) -> None:
        self.family = family
        self.labels = labels
        self.children: dict[tuple[str, ...], Counter | Gauge | Histogram] = {}
        """By the values of the family's own labels."""
        self.lock = threading.Lock()
        """Held while a value changes, and while the block is rendered."""
        self.stale = True
        self._rendered: dict[Callable[[Block], bytes], bytes] = {}

    def value(self, own: tuple[str, ...]) -> Counter | Gauge | Histogram:
        """The value with these values of the family's own labels, made if there is none yet."""
        found = self.children.get(own)
        if found is None:
            found = _KINDS[self.family.kind](self)
            with self.lock:
                self.children[own] = found
                self.stale = True
        return found

    def child(self, kind: type[V], own: Mapping[str, str]) -> V:
        """The value with these labels of the family's own, made if there is none yet.

        :raises TypeError: the family is of another kind.
        """
        found = self.value(self._key(own))
        if not isinstance(found, kind):
            raise TypeError(f"{self.family.name} is a {self.family.kind}")
        return found

    def take(self, observation: Observation, exemplar: str | None) -> None:
        """Take from an observation what the family's declaration says."""
        traced = exemplar if self.family.traced else None
        for own, amount in self.family.take(observation):
            self.value(own).take(amount, traced)

    @property
    def size(self) -> int:
        """How many series the text formats show."""
        return len(self.children) * self.family.series_each

    def replace(self, gauges: Iterable[LabelledValue]) -> None:
        """Have exactly these gauges from one moment to the next: no rendering shows the old ones
        gone and the new ones not yet there."""
        children: dict[tuple[str, ...], Counter | Gauge | Histogram] = {}
        for own, value in gauges:
            children[self._key(own)] = gauge = Gauge(self)
            gauge.value = float(value)
        with self.lock:
            self.children = children
            self.stale = True

    def _key(self, own: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(own[label] for label in self.family.labels)

    def series(self) -> Iterator[tuple[dict[str, str], Counter | Gauge | Histogram]]:
        """The values, each with the family's own labels; the leading ones are left out."""
        for own, child in self.children.items():
            yield dict(zip(self.family.labels, own, strict=True)), child

    def rendered(self, render: Callable[[Block], bytes]) -> bytes:
        """How the block looks in a format, from memory as long as nothing changes."""
        if self.stale or render not in self._rendered:
            with self.lock:
                self._catch_up()
                if render not in self._rendered:
                    self._rendered[render] = render(self)
        return self._rendered[render]

    def freshen(self) -> None:
        """Bring all that is remembered in step with the values."""
        if self.stale:
            with self.lock:
                self._catch_up()

    def _catch_up(self) -> None:
        if self.stale:
            for render in self._rendered:
                self._rendered[render] = render(self)
            self.stale = False


class Series:
    """The series of some families, all with the same leading labels."""

    def __init__(self, declared: Iterable[Family], labels: dict[str, str]) -> None:
        self.labels = labels
        self._blocks = {family: Block(family, labels) for family in declared}
        for family, block in self._blocks.items():
            for own in family.from_the_start():
                first = block.value(own)
                if isinstance(first, Gauge):
                    first.set(family.initial or 0.0)

    def counter(self, family: Family, **own: str) -> Counter:
        return self._blocks[family].child(Counter, own)

    def gauge(self, family: Family, **own: str) -> Gauge:
        return self._blocks[family].child(Gauge, own)

    def histogram(self, family: Family, **own: str) -> Histogram:
        return self._blocks[family].child(Histogram, own)

    @property
    def size(self) -> int:
        """How many series the text formats show."""
        return sum(block.size for block in self._blocks.values())

    def replace(self, family: Family, gauges: Iterable[LabelledValue] = ()) -> None:
        """Have exactly these gauges of a family, all at once."""
        self._blocks[family].replace(gauges)

    def block(self, family: Family) -> Block:
        """The series of one family."""
        return self._blocks[family]

    def take(self, observation: Observation, exemplar: str | None) -> None:
        """Have every family take from an observation what its declaration says."""
        for block in self._blocks.values():
            block.take(observation, exemplar)

    def freshen(self) -> None:
        """Render what has changed now, so that no scrape has to."""
        for block in self._blocks.values():
            block.freshen()


@dataclass(frozen=True, slots=True)
class Exposed:
    """One family and all its series, as they are to be shown together."""

    family: Family
    blocks: tuple[Block, ...]

    def has_series(self) -> bool:
        return any(block.children for block in self.blocks)

    @property
    def size(self) -> int:
        """How many series the text formats show."""
        return sum(block.size for block in self.blocks)


def exposed(declared: Iterable[Family], parts: Iterable[Series]) -> Iterator[Exposed]:
    """Each family once, with the series of all parts, as the formats demand."""
    parts = tuple(parts)
    for family in declared:
        yield Exposed(family, tuple(part.block(family) for part in parts))
