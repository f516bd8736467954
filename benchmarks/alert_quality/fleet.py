"""Simulated months of a fleet: the measurements of its probes, and the injected incidents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from benchmarks.alert_quality.noise import Array, Draw, Noise, autoregressive

MINUTES_PER_DAY = 1440
LEARNING_DAYS = 8
"""The days before the first incident, as the history for regressions."""
SITE_TARGETS = 10
"""The number of targets of one exporter."""
BASE_FAILURES = 0.0005
"""The share of probes that fail by chance, independently: half of what an SLO of 99.9 % allows."""

_CONFIRMING = 3
"""The minimum number of probes for the exporter to be certain of an outage."""

Flags = npt.NDArray[np.bool_]


class Kind(StrEnum):
    """A kind of incident."""

    TTFT_20 = "+20 % TTFT"
    TTFT_50 = "+50 % TTFT"
    TTFT_100 = "+100 % TTFT"
    SPEED_30 = "-30 % tokens per second"
    ERRORS_2 = "2 % errors"
    ERRORS_10 = "10 % errors"
    ERRORS_30 = "30 % errors"
    OUTAGE = "outage of 30 minutes"


DURATION_MINUTES = {
    Kind.TTFT_20: 240,
    Kind.TTFT_50: 240,
    Kind.TTFT_100: 240,
    Kind.SPEED_30: 240,
    Kind.ERRORS_2: 720,
    Kind.ERRORS_10: 240,
    Kind.ERRORS_30: 240,
    Kind.OUTAGE: 30,
}
_FACTORS = {Kind.TTFT_20: 1.2, Kind.TTFT_50: 1.5, Kind.TTFT_100: 2.0}
_ERRORS = {Kind.ERRORS_2: 0.02, Kind.ERRORS_10: 0.1, Kind.ERRORS_30: 0.3, Kind.OUTAGE: 1.0}


@dataclass(frozen=True, slots=True)
class World:
    """The parameters of a fleet."""

    noise: Noise
    minutes_per_probe: int = 1
    probers_faults: bool = False
    """Whether the exporter's own network fails now and then, for all its targets."""
    incidents: bool = False

    @property
    def name(self) -> str:
        parts = [self.noise.name]
        if self.minutes_per_probe > 1:
            parts.append(f"every {self.minutes_per_probe} min")
        if self.probers_faults:
            parts.append("prober's faults")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Incident:
    """An injected incident. Times are minutes since the start of the simulation."""

    target: int
    kind: Kind
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """The values of the gauges: arrays of targets by minutes, in seconds.

    In a minute without a probe, the previous value stays.
    """

    world: World
    time_to_first_token: Array
    """NaN if the last probe failed."""
    time_per_output_token: Array
    failed: Flags
    """Whether the last probe failed."""
    network: Flags
    """Whether the last probe failed because of the network."""
    made: Flags
    """Whether a probe ended in this minute."""
    certain: Flags
    """Whether the exporter is certain of an outage, because all confirming probes failed."""
    refuted: Flags
    """Whether a confirming probe succeeded in this minute."""
    incidents: tuple[Incident, ...]
    faults: Flags
    """Whether the target's exporter is at fault."""
    level: Array
    """The logarithm of the time to first token without what differs from probe to probe."""
    spiking: Flags
    """Whether spikes come at this time."""

    @property
    def targets(self) -> int:
        return len(self.failed)

    @property
    def minutes(self) -> int:
        return int(self.failed.shape[1])


def simulate(world: World, targets: int, days: int, seed: int) -> Fleet:
    """Simulate a fleet for ``days`` after the learning days."""
    random = np.random.default_rng(seed)
    minutes = (LEARNING_DAYS + days) * MINUTES_PER_DAY
    shape = targets, minutes
    incidents = tuple(_incidents(random, targets, days)) if world.incidents else ()
    usual, noise = _usual(random, shape), _held(random, world.noise, shape, world.minutes_per_probe)
    first = usual + noise.logarithms
    quieter = Noise("output", world.noise.core / 2, 0.01, 0.5)
    output = _usual(random, shape)
    output += _held(random, quieter, shape, world.minutes_per_probe).logarithms
    failing = np.full(shape, BASE_FAILURES, np.float32)
    for incident in incidents:
        _inject(incident, first, output, failing)
    down, slow = _faults(random, shape, world)
    first += 1.5 * slow
    level = np.log(0.5) + first - noise.logarithms + noise.level
    failing[down] = 1
    made = np.zeros(shape, bool)
    for target in range(targets):
        made[target, target % world.minutes_per_probe :: world.minutes_per_probe] = True
    made &= random.random(shape, np.float32) >= 0.01
    latest = np.maximum.accumulate(np.where(made, np.arange(minutes), 0), axis=1)
    failed = np.take_along_axis(random.random(shape, np.float32) < failing, latest, axis=1)
    return Fleet(
        world,
        _shown(first, 0.5, latest, failed),
        _shown(output, 0.02, latest, failed),
        failed,
        np.take_along_axis(down, latest, axis=1),
        made,
        *_asked_again(random, failing, failed, made, world.minutes_per_probe),
        incidents,
        down | slow,
        level.astype(np.float32),
        noise.spiking,
    )


def _asked_again(
    random: np.random.Generator, failing: Array, failed: Flags, made: Flags, minutes_per_probe: int
) -> tuple[Flags, Flags]:
    """Return when the exporter is certain of failures, and when it rejects them as chance.

    As in `Confirmation`, three more failures after at least 20 s are certain. Prometheus sees it a
    minute later.
    """
    first = made & failed & ~np.pad(failed, ((0, 0), (1, 0)))[:, :-1]
    sure = random.random(failed.shape, np.float32) < failing**_CONFIRMING
    later = 1 + (minutes_per_probe * _CONFIRMING) // 12
    known = np.pad(first & sure, ((0, 0), (later, 0)))[:, : failed.shape[1]]
    found = np.where(known, 2, np.where(failed, 0, 1))
    latest = np.maximum.accumulate(np.where(found, np.arange(failed.shape[1]), 0), axis=1)
    certain = failed & (np.take_along_axis(found, latest, axis=1) == 2)
    return certain, np.pad(first & ~sure, ((0, 0), (later, 0)))[:, : failed.shape[1]]


def _shown(logarithm: Array, median: float, latest: npt.NDArray[np.int64], failed: Flags) -> Array:
    values = np.take_along_axis(logarithm, latest, axis=1)
    return np.where(failed, np.nan, median * np.exp(values)).astype(np.float32)


def _held(
    random: np.random.Generator, noise: Noise, shape: tuple[int, int], minutes_per_probe: int
) -> Draw:
    """Draw the noise of each probe, for each minute that shows it."""
    probes = shape[1] // minutes_per_probe + 1
    drawn = noise.draw(random, (shape[0], probes), minutes_per_probe)
    minute = np.arange(shape[1]) // minutes_per_probe
    return Draw(drawn.logarithms[:, minute], drawn.level[:, minute], drawn.spiking[:, minute])


def _usual(random: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Return the usual level: a daily rhythm, weekends, and a drift of 3 % over hours."""
    targets, minutes = shape
    minute = np.arange(minutes)
    amplitude = random.uniform(0, 0.35, (targets, 1))
    phase = random.uniform(0, 2 * np.pi, (targets, 1))
    daily = amplitude * np.sin(2 * np.pi * minute / MINUTES_PER_DAY + phase)
    weekend = random.uniform(-0.2, 0.05, (targets, 1)) * (minute // MINUTES_PER_DAY % 7 >= 5)
    hours = minutes // 60 + 2
    steps = random.normal(0, 0.03 * np.sqrt(1 - 0.9**2), (targets, hours)).astype(np.float32)
    drift = autoregressive(steps, 0.9)
    wander = np.stack([np.interp(minute / 60, np.arange(hours), row) for row in drift])
    return np.asarray(daily + weekend + wander, np.float32)


def _incidents(random: np.random.Generator, targets: int, days: int) -> Iterator[Incident]:
    """Yield each kind once per month and target, at random times with gaps between them."""
    room = 30 * MINUTES_PER_DAY // len(Kind)
    for target in range(targets):
        for month in range(days // 30):
            kinds = [list(Kind)[index] for index in random.permutation(len(Kind))]
            for place, kind in enumerate(kinds):
                length = DURATION_MINUTES[kind]
                earliest = (LEARNING_DAYS + 30 * month) * MINUTES_PER_DAY + place * room
                start = earliest + int(random.integers(0, room - length - 361))
                yield Incident(target, kind, start, start + length)


def _inject(incident: Incident, first: Array, output: Array, failing: Array) -> None:
    at = incident.target, slice(incident.start, incident.end)
    if factor := _FACTORS.get(incident.kind):
        first[at] += np.log(factor)
    elif incident.kind is Kind.SPEED_30:
        output[at] -= np.log(0.7)
    else:
        failing[at] = _ERRORS[incident.kind]


def _faults(
    random: np.random.Generator, shape: tuple[int, int], world: World
) -> tuple[Flags, Flags]:
    """Return when the exporter's network is down or slow: each twice a week for 3 to 60 minutes."""
    down, slow = np.zeros(shape, bool), np.zeros(shape, bool)
    if not world.probers_faults:
        return down, slow
    targets, minutes = shape
    for site in range(0, targets, SITE_TARGETS):
        for kind in (down, slow):
            start = LEARNING_DAYS * MINUTES_PER_DAY
            while (start := start + int(random.exponential(3.5 * MINUTES_PER_DAY))) < minutes:
                length = int(np.exp(random.uniform(np.log(3), np.log(60))))
                kind[site : site + SITE_TARGETS, start : start + length] = True
                start += length
    return down, slow
