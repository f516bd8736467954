"""What the alerts found, how soon, and what they cried without cause."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.alert_quality.fleet import Fleet, Incident, Kind
from benchmarks.alert_quality.series import START, Series, target_name

RIGHTLY: dict[Kind, tuple[str, ...]] = {
    Kind.TTFT_20: ("InferenceFirstTokenSlow", "InferenceFirstTokenSlower"),
    Kind.TTFT_50: ("InferenceFirstTokenSlow", "InferenceFirstTokenSlower"),
    Kind.TTFT_100: ("InferenceFirstTokenSlow", "InferenceFirstTokenSlower"),
    Kind.SPEED_30: ("InferenceOutputSlower",),
    Kind.ERRORS_2: ("InferenceErrorsHigh", "InferenceTargetDown"),
    Kind.ERRORS_10: ("InferenceErrorsHigh", "InferenceTargetDown"),
    Kind.DRIFT: ("InferenceFirstTokenSlow", "InferenceFirstTokenSlower"),
    Kind.OUTAGE: ("InferenceTargetDown", "InferenceErrorsHigh"),
}
"""Which alerts are right to fire for which kind of incident."""
AFTERMATH_MINUTES = 360
"""How long after an incident its alerts may go on: the longest window that they look back."""
_SAME_EPISODE_MINUTES = 15
"""Silence shorter than this is none: the rules keep firing, Alertmanager waits as long."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert of one target, from when it fires until it has resolved; minutes."""

    alert: str
    severity: str
    target: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Found:
    """An incident and how many minutes after its start an alert told of it."""

    incident: Incident
    minutes: float
    """Infinite if none did."""


def episodes(fleet: Fleet, firing: Iterable[Series]) -> Iterator[Episode]:
    """The times at which an alert's expression held, joined."""
    numbers = {target_name(target): target for target in range(fleet.targets)}
    for series in firing:
        target, severity = numbers[series.labels["target"]], series.labels["severity"]
        minutes = [(int(time) - START) // 60 for time in map(float, series.times)]
        for run in _runs(minutes):
            yield Episode(series.name, severity, target, run[0], run[-1])


def _runs(minutes: Sequence[int]) -> Iterator[list[int]]:
    """The minutes, parted where they are silent for long."""
    run = [minutes[0]]
    for minute in minutes[1:]:
        if minute - run[-1] > _SAME_EPISODE_MINUTES:
            yield run
            run = []
        run.append(minute)
    yield run


def detections(fleet: Fleet, happened: Sequence[Episode]) -> list[Found]:
    """How soon each incident was found by an alert that is right for it, while it lasts. One that
    had fired before it does not count."""
    return [Found(incident, _found_after(incident, happened)) for incident in fleet.incidents]


def _found_after(incident: Incident, happened: Sequence[Episode]) -> float:
    starts = [
        episode.start - incident.start + 1
        for episode in happened
        if episode.target == incident.target
        and episode.alert in RIGHTLY[incident.kind]
        and incident.start <= episode.start <= incident.end
    ]
    return min(starts, default=math.inf)


def false_alarms(fleet: Fleet, happened: Sequence[Episode]) -> list[Episode]:
    """The episodes that no incident explains."""
    return [episode for episode in happened if not _is_explained(fleet, episode)]


def _is_explained(fleet: Fleet, episode: Episode) -> bool:
    return any(
        incident.target == episode.target
        and episode.alert in RIGHTLY[incident.kind]
        and episode.start <= incident.end + AFTERMATH_MINUTES
        and episode.end >= incident.start
        for incident in fleet.incidents
    )
