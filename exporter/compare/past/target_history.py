"""The history of one target and probe in Prometheus."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

LAST = "inference_last_probe_"
PROBED_AT = f"{LAST}timestamp_seconds"


@dataclass(slots=True)
class TargetHistory:
    """All series of one target and probe from one exporter.

    ``series`` maps the name of a metric and the label that distinguishes its series to values by
    scrape time, in Unix seconds.
    """

    target: str
    probe: str
    instance: str
    labels: Mapping[str, str]
    series: dict[tuple[str, str], dict[float, float]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    @property
    def was_probed(self) -> bool:
        """Whether any probe ended; the time of the latest one is 0 before the first."""
        return any(at > 0 for at in self.series.get((PROBED_AT, ""), {}).values())

    def at(self, when: float, name: str, part: str = "") -> float | None:
        """Return the value at a scrape; ``None`` if it is missing or NaN."""
        value = self.series[name, part].get(when)
        return None if value is None or math.isnan(value) else value

    def growth(self, name: str, before: float, now: float, part: str = "") -> float | None:
        """Return the increase of a counter between two scrapes, with resets."""
        old, new = self.at(before, name, part), self.at(now, name, part)
        if old is None or new is None:
            return None
        return new - old if new >= old else new

    def growth_of_all(self, name: str, before: float, now: float) -> float:
        """Return the total increase of all series of a counter."""
        parts = [part for known, part in self.series if known == name]
        return sum(self.growth(name, before, now, part) or 0.0 for part in parts)

    def probes_between(self, before: float, now: float) -> float:
        """Return how many probes ended between two scrapes."""
        return self.growth_of_all("inference_probes_total", before, now)

    def is_cold(self, before: float, now: float) -> bool:
        """Whether the only probe between two scrapes was cold.

        The latency gauges then still show the previous warm probe.
        """
        cold = self.growth_of_all("inference_cold_starts_total", before, now)
        return cold == 1 and self.probes_between(before, now) == 1
