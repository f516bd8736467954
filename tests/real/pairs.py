"""The exporter's times beside a server's own, for the same requests.

Servers export histograms, which only show the mean of all requests. If the histogram is read after
each request, its increase is the time of this one request. Single requests can then be compared,
and their median isn't moved by the few whose bytes waited for a busy CPU.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from tests.real.exporter_process import Exporter, Scrape
from tests.real.watching import wait_for

_COUNTED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Pair:
    """A time of one request, in seconds."""

    ours: float
    its_own: float

    @property
    def ratio(self) -> float:
        return self.ours / self.its_own


@dataclass(frozen=True, slots=True)
class OwnHistogram:
    """A histogram that a server exports about its requests."""

    url: str
    name: str

    def read(self) -> tuple[float, float]:
        """Return its sum and its count."""
        text = httpx.get(self.url, trust_env=False).raise_for_status().text
        scrape = Scrape(text)
        return scrape.value(f"{self.name}_sum"), scrape.value(f"{self.name}_count")


def pairs(exporter: Exporter, target: str, measure: str, own: OwnHistogram, n: int) -> list[Pair]:
    """Probe ``n`` times, one after another, and read both sides after each probe. Leave out probes
    that the exporter itself calls uncertain.

    :param measure: the exporter's series of the latest probe.
    """
    found = []
    before, count = own.read()
    for _ in range(n):
        assert exporter.probe_now(target) is None
        after, now = _after(own, count)
        assert now == count + 1, "another client asks the server, too"
        found.append(Pair(exporter.metrics().value(measure), after - before))
        before, count = after, now
    return [pair for pair in found if not math.isnan(pair.ours)]


def _after(own: OwnHistogram, count: float) -> tuple[float, float]:
    """Return the histogram once the server has counted another request."""
    wait_for(lambda: own.read()[1] > count, _COUNTED_SECONDS)
    return own.read()


def median_ratio(measured: Sequence[Pair]) -> float:
    """Return ours divided by the server's own: the median of single requests."""
    return statistics.median(pair.ratio for pair in measured)
