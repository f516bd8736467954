"""Simulated months of a fleet: what its probes would have measured, and what was done to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

MINUTES_PER_DAY = 1440
LEARNING_DAYS = 7
"""Before the first incident: the past that regressions are measured against."""
NOISE = (0.1, 0.15, 0.2, 0.25, 0.3)
"""Sigma of the log-normal noise of one probe's time to first token; targets take them in turn."""

Array = npt.NDArray[np.float64]


class Kind(StrEnum):
    """What is done to a target."""

    TTFT_20 = "+20 % TTFT"
    TTFT_50 = "+50 % TTFT"
    TTFT_100 = "+100 % TTFT"
    SPEED_30 = "-30 % tokens per second"
    ERRORS_2 = "2 % errors"
    ERRORS_10 = "10 % errors"
    DRIFT = "drift to +60 % TTFT in 3 days"
    OUTAGE = "outage of 3 minutes"


DURATION_MINUTES = {
    Kind.TTFT_20: 240,
    Kind.TTFT_50: 240,
    Kind.TTFT_100: 240,
    Kind.SPEED_30: 240,
    Kind.ERRORS_2: 720,
    Kind.ERRORS_10: 240,
    Kind.DRIFT: 3 * MINUTES_PER_DAY,
    Kind.OUTAGE: 3,
}


@dataclass(frozen=True, slots=True)
class Incident:
    """Something done to a target; times are minutes since the simulation began."""

    target: int
    kind: Kind
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the probes measured, one a minute: arrays of targets by minutes, in seconds."""

    noise: Array
    """Of each target."""
    time_to_first_token: Array
    time_per_output_token: Array
    failed: npt.NDArray[np.bool_]
    missing: npt.NDArray[np.bool_]
    """The probe was not made; what the one before it said still stands."""
    incidents: tuple[Incident, ...]

    @property
    def targets(self) -> int:
        return len(self.noise)

    @property
    def minutes(self) -> int:
        return int(self.failed.shape[1])


def simulate(targets: int, days: int, seed: int) -> Fleet:
    """A fleet over ``days`` after its days of learning."""
    random = np.random.default_rng(seed)
    minutes = (LEARNING_DAYS + days) * MINUTES_PER_DAY
    noise = np.resize(np.array(NOISE), targets)
    incidents = tuple(_incidents(random, targets, days))
    first, per_token = _latencies(random, noise, minutes), _latencies(random, noise / 2, minutes)
    failing = np.full((targets, minutes), 0.002)
    for incident in incidents:
        _inject(incident, first, per_token, failing)
    return Fleet(
        noise=noise,
        time_to_first_token=random.uniform(0.2, 1.5, (targets, 1)) * np.exp(first),
        time_per_output_token=random.uniform(0.008, 0.03, (targets, 1)) * np.exp(per_token),
        failed=random.random((targets, minutes)) < failing,
        missing=random.random((targets, minutes)) < 0.01,
        incidents=incidents,
    )


def _incidents(random: np.random.Generator, targets: int, days: int) -> Iterator[Incident]:
    """Each kind once for each target, in any order, at any hour, with room between them."""
    room = days * MINUTES_PER_DAY // len(Kind)
    for target in range(targets):
        kinds = [list(Kind)[index] for index in random.permutation(len(Kind))]
        for place, kind in enumerate(kinds):
            length = min(DURATION_MINUTES[kind], room * 3 // 4)
            earliest = LEARNING_DAYS * MINUTES_PER_DAY + place * room
            start = earliest + int(random.integers(0, room - length))
            yield Incident(target, kind, start, start + length)


def _latencies(random: np.random.Generator, noise: Array, minutes: int) -> Array:
    """Logarithms of latencies, 0 where nothing disturbs them."""
    targets, minute = len(noise), np.arange(minutes)
    amplitude = random.uniform(0, 0.35, (targets, 1))
    phase = random.uniform(0, 2 * np.pi, (targets, 1))
    daily = amplitude * np.sin(2 * np.pi * minute / MINUTES_PER_DAY + phase)
    weekend = random.uniform(-0.2, 0.05, (targets, 1)) * (minute // MINUTES_PER_DAY % 7 >= 5)
    grain = noise[:, None] * random.standard_normal((targets, minutes))
    spikes = random.uniform(0.7, 2.3, (targets, minutes)) * (random.random(grain.shape) < 0.01)
    return np.asarray(daily + weekend + _wander(random, targets, minutes) + grain + spikes)


def _wander(random: np.random.Generator, targets: int, minutes: int) -> Array:
    """What no clock explains: 3 % up and down, over some hours."""
    hours = minutes // 60 + 2
    steps = random.normal(0, 0.03 * np.sqrt(1 - 0.9**2), (targets, hours))
    for hour in range(1, hours):
        steps[:, hour] += 0.9 * steps[:, hour - 1]
    minute = np.arange(minutes) / 60
    return np.stack([np.interp(minute, np.arange(hours), row) for row in steps])


def _inject(incident: Incident, first: Array, per_token: Array, failing: Array) -> None:
    at = incident.target, slice(incident.start, incident.end)
    match incident.kind:
        case Kind.TTFT_20:
            first[at] += np.log(1.2)
        case Kind.TTFT_50:
            first[at] += np.log(1.5)
        case Kind.TTFT_100:
            first[at] += np.log(2)
        case Kind.SPEED_30:
            per_token[at] -= np.log(0.7)
        case Kind.ERRORS_2:
            failing[at] = 0.02
        case Kind.ERRORS_10:
            failing[at] = 0.1
        case Kind.DRIFT:
            first[at] += np.linspace(0, np.log(1.6), incident.end - incident.start)
        case Kind.OUTAGE:
            failing[at] = 1
