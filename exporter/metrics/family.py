"""What a metric family is, and how one is declared.

A declaration says everything that there is to say of a family: its name, help, labels and buckets,
the series that exist from the start, and what it takes from an observation. Registration, zeroes,
the table in the documentation and the checks of dashboards and rules all follow from it.
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
"""The values of a family's own labels, and what a counter grows by, a gauge is set to or a
histogram observes."""
Take = Callable[[Observation], Iterable[Taken]]
ANY: tuple[str, ...] = ()
"""The values of a label that are no closed list."""


def _nothing(_observation: Observation) -> Iterable[Taken]:
    return ()


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One declared metric."""

    name: str
    kind: Kind
    help: str
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The labels beside the common ones, each with its values where they are a closed list."""
    buckets: tuple[float, ...] = ()
    take: Take = _nothing
    """What an observation changes."""
    initial: float | None = None
    """What all series of the closed lists say from the start, so that the first increase is one
    that ``rate()`` can see; ``None`` where a series comes into being with its first value."""
    traced: bool = False
    """Whether samples carry the provider's id of the request, as an exemplar."""
    possible: Possible = always
    """Which of the series that would exist from the start a plan can fill at all."""

    def __post_init__(self) -> None:
        if self.initial is not None and not all(self.values.values()):
            raise ValueError(f"{self.name}: only labels of a closed list exist from the start")

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.values)

    def from_the_start(self) -> tuple[tuple[str, ...], ...]:
        """The values of its own labels for every series that exists before any observation."""
        return _from_the_start(self)

    def row(self) -> str:
        """Its line in the documentation's table."""
        return f"| `{self.name}` | {self.kind} | {', '.join(self.labels)} | {self.help} |"


@cache
def _from_the_start(family: Family) -> tuple[tuple[str, ...], ...]:
    """The same tuples for every target: each of thousands would take four kilobytes for its own."""
    return () if family.initial is None else tuple(product(*family.values.values()))


class Families:
    """Declares the families of one owner, and remembers them in the order of declaration."""

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
        """:raises ValueError: a label is not declared in ``exporter.config.labels``."""
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
        """:raises ValueError: a label is not declared in ``exporter.config.labels``."""
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
        """:raises ValueError: a label is not declared in ``exporter.config.labels``."""
        own = _labelled(labels)
        return self._add(
            Family(name, Kind.HISTOGRAM, help, own, buckets, take, 0.0, traced, possible)
        )

    def include(self, others: Families) -> None:
        """Have these families too, declared elsewhere."""
        self._declared.extend(others)

    def _add(self, family: Family) -> Family:
        self._declared.append(family)
        return family


def _labelled(labels: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    return {Label(name): tuple(map(str, values)) for name, values in labels.items()}
