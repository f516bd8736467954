"""Values and their series, together with their rendered text.

A scrape of a thousand targets returns hundreds of thousands of series, but each probe changes only
a few. The series of one family and one target therefore form a ``Block``, which caches its text in
each format that is scraped. A scrape is then little more than a concatenation. kube-state-metrics
stores its series in the same way.

Only the probing thread changes values, but other threads render them too. The lock of a block keeps
the two apart. No rendering shows half a change, and none replaces a newer one.

Each of thousands of targets has two dozen blocks, so blocks are small: those of a target share a
lock, and a tuple holds their values, which takes a fifth of the memory of a dict.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from exporter.config.plan import Plan
from exporter.metrics.family import Family, Kind
from exporter.metrics.values import Counter, Gauge, Histogram
from exporter.observation import Observation

AnyValue = Counter | Gauge | Histogram
_KINDS: Mapping[Kind, type[AnyValue]] = {
    Kind.COUNTER: Counter,
    Kind.GAUGE: Gauge,
    Kind.HISTOGRAM: Histogram,
}
_LEAST_OF_A_HISTOGRAM = 3
"""The bucket without a bound, the sum, and the count."""
V = TypeVar("V", Counter, Gauge, Histogram)
Render = Callable[["Block"], bytes]
"""Renders a block in one format."""
LabelledValue = tuple[Mapping[str, str], float]
"""The values of the family's own labels, and the value of the series."""


class Block:
    """The series of one family that have the same leading labels."""

    __slots__ = ("_rendered", "children", "classic", "family", "labels", "lock", "stale")

    def __init__(
        self,
        family: Family,
        labels: Mapping[str, str],
        lock: threading.Lock | None = None,
        *,
        classic: bool = True,
    ) -> None:
        self.family = family
        self.labels = labels
        self.classic = classic
        """Whether histograms show their classic buckets in addition to the native ones."""
        self.children: tuple[AnyValue, ...] = ()
        self.lock = lock or threading.Lock()
        """Held while a value changes, and while the block is rendered."""
        self.stale = True
        self._rendered: tuple[tuple[Render, bytes], ...] = ()
        """The text in each format that is scraped, normally one or two."""

    def value(self, own: tuple[str, ...]) -> AnyValue:
        """Return the value with these values of the family's own labels. Create it if necessary."""
        return self._known(own) or self._added(_KINDS[self.family.kind](self, own))

    def begin(self, own: tuple[str, ...]) -> None:
        """Create a series in its state before any observation, unless it exists."""
        if not self._known(own):
            first = self.value(own)
            if isinstance(first, Gauge):
                first.set(self.family.initial or 0.0)

    def child(self, kind: type[V], own: Mapping[str, str]) -> V:
        """Return the value with these labels. Create it if necessary.

        :raises TypeError: the family is of another kind.
        """
        found = self.value(self._key(own))
        if not isinstance(found, kind):
            raise TypeError(f"{self.family.name} is a {self.family.kind}")
        return found

    def replace(self, gauges: Iterable[LabelledValue]) -> None:
        """Replace all gauges atomically, so that every rendering shows either the old ones or the
        new ones."""
        children = tuple(Gauge(self, self._key(own), float(value)) for own, value in gauges)
        with self.lock:
            self.children = children
            self.stale = True

    def keep(self, label: str, values: Collection[str]) -> None:
        """Remove the series in which this label has another value."""
        place = self.family.labels.index(label)
        with self.lock:
            self.children = tuple(it for it in self.children if it.own[place] in values)
            self.stale = True

    def _key(self, own: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(own[label] for label in self.family.labels)

    def _known(self, own: tuple[str, ...]) -> AnyValue | None:
        for value in self.children:
            if value.own == own:
                return value
        return None

    def _added(self, value: AnyValue) -> AnyValue:
        with self.lock:
            known = self._known(value.own)  # another thread can have been faster
            if known is None:
                self.children += (value,)
                self.stale = True
        return known or value

    def series(self) -> Iterator[tuple[dict[str, str], AnyValue]]:
        """Yield the values, each with the family's own labels but without the leading ones."""
        for value in self.children:
            yield dict(zip(self.family.labels, value.own, strict=True)), value

    def rendered(self, render: Render) -> bytes:
        """Return the block's text in one format. It is cached until a value changes."""
        if not self.stale and (known := self._remembered(render)) is not None:
            return known
        with self.lock:
            self._catch_up()
            known = self._remembered(render)
            if known is None:
                known = render(self)
                self._rendered += ((render, known),)
            return known

    def _remembered(self, render: Render) -> bytes | None:
        for format_, shown in self._rendered:
            if format_ is render:
                return shown
        return None

    def freshen(self) -> None:
        """Render all cached formats again if a value has changed."""
        if self.stale:
            with self.lock:
                self._catch_up()

    def _catch_up(self) -> None:
        if self.stale:
            self._rendered = tuple((render, render(self)) for render, _ in self._rendered)
            self.stale = False


class Series:
    """The series of several families, all with the same leading labels.

    A family without series has no block, because most targets never use some of the families.
    """

    def __init__(
        self,
        declared: Iterable[Family],
        labels: dict[str, str],
        lock: threading.Lock | None = None,
        *,
        classic: bool = True,
    ) -> None:
        """Create series without values.

        :param lock: the lock of all blocks. By default, each has its own, so that one can change
            while another is rendered.
        """
        self.labels = labels
        self._declared = declared
        self._lock = lock
        self._classic = classic
        self._blocks: dict[Family, Block] = {}

    def begin(self, plan: Plan | None = None) -> None:
        """Create the series that exist from the start, except those that the plan can't fill."""
        for family in self._declared:
            for own in family.from_the_start():
                if plan is None or family.possible(plan, own):
                    self.block(family).begin(own)

    def begin_all(self, *families: Family) -> None:
        """Create all series of these families that can exist before any observation."""
        for family in families:
            for own in family.from_the_start():
                self.block(family).begin(own)

    def counter(self, family: Family, **own: str) -> Counter:
        return self.block(family).child(Counter, own)

    def gauge(self, family: Family, **own: str) -> Gauge:
        return self.block(family).child(Gauge, own)

    def histogram(self, family: Family, **own: str) -> Histogram:
        return self.block(family).child(Histogram, own)

    def replace(self, family: Family, gauges: Iterable[LabelledValue] = ()) -> None:
        """Replace all gauges of a family atomically."""
        if (new := tuple(gauges)) or family in self._blocks:
            self.block(family).replace(new)

    def keep(self, family: Family, label: str, values: Collection[str]) -> None:
        """Remove the series of a family in which this label has another value."""
        if family in self._blocks:
            self._blocks[family].keep(label, values)

    def block(self, family: Family) -> Block:
        """Return the series of one family. Create the block if necessary."""
        found = self._blocks.get(family)
        if found is None:  # two threads can race here for the exporter's own series
            made = Block(family, self.labels, self._lock, classic=self._classic)
            found = self._blocks.setdefault(family, made)
        return found

    def shown(self, family: Family) -> Block | None:
        """Return the series of one family, or ``None`` if there are none."""
        found = self._blocks.get(family)
        return found if found and found.children else None

    def take(self, observation: Observation, exemplar: str | None) -> None:
        """Update every family from an observation, as declared."""
        for family in self._declared:
            traced = exemplar if family.traced else None
            value: AnyValue | None = None
            for own, amount in family.take(observation):
                if value is None or value.own != own:  # most amounts are gaps, of one value
                    value = self.block(family).value(own)
                value.take(amount, traced)

    def freshen(self) -> None:
        """Render everything that has changed now, so that no scrape has to."""
        for block in self._blocks.values():
            block.freshen()


@dataclass(frozen=True, slots=True)
class Exposed:
    """One family with all of its series, which a format shows together."""

    family: Family
    blocks: tuple[Block, ...]
    """Only blocks with series."""

    def has_series(self) -> bool:
        return bool(self.blocks)

    def size(self, *, native: bool) -> int:
        """Return how many series a format shows.

        :param native: whether the format supports native histograms, which are one series each. If
            there are classic buckets too, those count instead.
        """
        if not self.blocks:
            return 0
        each = _series_each(self.family, classic=self.blocks[0].classic, native=native)
        return each * sum(len(block.children) for block in self.blocks)


def _series_each(family: Family, *, classic: bool, native: bool) -> int:
    """Return how many series one value has."""
    if family.kind is not Kind.HISTOGRAM:
        return 1
    if classic:
        return len(family.buckets) + _LEAST_OF_A_HISTOGRAM
    return 1 if native else _LEAST_OF_A_HISTOGRAM


def exposed(declared: Iterable[Family], parts: Iterable[Series]) -> Iterator[Exposed]:
    """Yield each family once, with the series of all parts, because the formats require that."""
    parts = tuple(parts)
    for family in declared:
        blocks = (part.shown(family) for part in parts)
        yield Exposed(family, tuple(block for block in blocks if block))
