"""Declarations of metric families.

A declaration says everything about a family: its name, help, labels, and buckets, the series that
exist from the start, and what it takes from an observation. Registration, initial zeros, the table
in the documentation, and the checks of dashboards and rules all follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from itertools import product

from exporter.config.labels import Label
from exporter.metrics.possible import Possible, always
from exporter.observation import Observation


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


Taken = tuple[tuple[str, ...], float]
"""The values of a family's own labels, and the amount: the increment of a counter, the value of a
gauge, or the observation of a histogram."""
Take = Callable[[Observation], Iterable[Taken]]
ANY: tuple[str, ...] = ()
"""Marks a label whose set of values is open."""


def _nothing(_observation: Observation) -> Iterable[Taken]:
    return ()


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One declared metric."""

    name: str
    kind: Kind
    help: str
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The family's own labels, in addition to the common ones. Each has its possible values, or
    ``ANY``."""
    buckets: tuple[float, ...] = ()
    take: Take = _nothing
    """Yields what an observation changes."""
    initial: float | None = None
    """The initial value of all series whose labels have closed sets, so that ``rate()`` sees the
    first increase. ``None`` if a series starts with its first value."""
    traced: bool = False
    """Whether samples carry the provider's request ID as an exemplar."""
    possible: Possible = always
    """Whether a plan can ever fill a series that would exist from the start."""

    def __post_init__(self) -> None:
        if self.initial is not None and not all(self.values.values()):
            raise ValueError(f"{self.name}: only labels of a closed list exist from the start")

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.values)

    def from_the_start(self) -> tuple[tuple[str, ...], ...]:
        """Return the label values of every series that exists before any observation."""
        return _from_the_start(self)

    def row(self) -> str:
        """Return the family's row in the documentation's table."""
        return f"| `{self.name}` | {self.kind} | {', '.join(self.labels)} | {self.help} |"


@cache
def _from_the_start(family: Family) -> tuple[tuple[str, ...], ...]:
    """Return the same tuples for every target. Separate copies would take 4 kB per target, for
    thousands of targets."""
    return () if family.initial is None else tuple(product(*family.values.values()))


class Families:
    """Declares the families of one owner, and remembers them in order of declaration."""

    def __init__(self) -> None:
        self._declared: list[Family] = []

    def __iter__(self) -> Iterator[Family]:
        return iter(self._declared)

    def counter(
        self,
        name: str,
        help: str,
        take: Take = _nothing,
        *,
        traced: bool = False,
        from_the_start: bool = True,
        possible: Possible = always,
        **labels: Iterable[str],
    ) -> Family:
        """Declare a counter.

        :raises ValueError: a label isn't declared in ``exporter.config.labels``.
        """
        return self._add(
            Family(
                name,
                Kind.COUNTER,
                help,
                _labelled(labels),
                take=take,
                initial=0.0 if from_the_start else None,
                traced=traced,
                possible=possible,
            )
        )

    def gauge(
        self,
        name: str,
        help: str,
        take: Take = _nothing,
        *,
        initial: float | None = None,
        possible: Possible = always,
        **labels: Iterable[str],
    ) -> Family:
        """Declare a gauge.

        :raises ValueError: a label isn't declared in ``exporter.config.labels``.
        """
        own = _labelled(labels)
        return self._add(
            Family(name, Kind.GAUGE, help, own, take=take, initial=initial, possible=possible)
        )

    def histogram(
        self,
        name: str,
        buckets: tuple[float, ...],
        help: str,
        take: Take = _nothing,
        *,
        traced: bool = False,
        possible: Possible = always,
        **labels: Iterable[str],
    ) -> Family:
        """Declare a histogram.

        :raises ValueError: a label isn't declared in ``exporter.config.labels``.
        """
        own = _labelled(labels)
        return self._add(
            Family(name, Kind.HISTOGRAM, help, own, buckets, take, 0.0, traced, possible)
        )

    def include(self, others: Families) -> None:
        """Add families that are declared elsewhere."""
        self._declared.extend(others)

    def _add(self, family: Family) -> Family:
        self._declared.append(family)
        return family


def _labelled(labels: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    return {Label(name): tuple(map(str, values)) for name, values in labels.items()}
