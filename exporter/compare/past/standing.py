"""The history of one target and probe in Prometheus."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

LAST = "inference_last_probe_"
PROBED_AT = f"{LAST}timestamp_seconds"


@dataclass(slots=True)
class Standing:
    """All series of one target and probe, as one exporter told them: by name and the label that
    tells its series apart, then by time of scrape."""

    target: str
    probe: str
    instance: str
    labels: Mapping[str, str]
    series: dict[tuple[str, str], dict[float, float]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def at(self, when: float, name: str, part: str = "") -> float | None:
        """A value, if the scrape had it and it is a number."""
        value = self.series[name, part].get(when)
        return None if value is None or math.isnan(value) else value

    def growth(self, name: str, before: float, now: float, part: str = "") -> float | None:
        """The increase of a counter between two scrapes; a counter that fell was reset."""
        old, new = self.at(before, name, part), self.at(now, name, part)
        if old is None or new is None:
            return None
        return new - old if new >= old else new

    def growth_of_all(self, name: str, before: float, now: float) -> float:
        """By how much all series of a counter grew together."""
        parts = [part for known, part in self.series if known == name]
        return sum(self.growth(name, before, now, part) or 0.0 for part in parts)

    def probes_between(self, before: float, now: float) -> float:
        """How many probes ended between two scrapes."""
        return self.growth_of_all("inference_probes_total", before, now)

    def is_cold(self, before: float, now: float) -> bool:
        """Whether the one probe between two scrapes was cold; the gauges of times then still show
        the warm one before it."""
        cold = self.growth_of_all("inference_cold_starts_total", before, now)
        return cold == 1 and self.probes_between(before, now) == 1
