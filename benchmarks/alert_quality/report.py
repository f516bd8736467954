"""Formats the verdict on the alerts as Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from benchmarks.alert_quality.bound import delay_in_probes
from benchmarks.alert_quality.chance import ALERTS, Habit
from benchmarks.alert_quality.fleet import SITE_TARGETS, Kind
from benchmarks.alert_quality.judge import ITEMS, PAGES, TICKETS, VANTAGE_POINT, Verdict
from benchmarks.alert_quality.noise import Noise

RISES = {Kind.TTFT_20: 1.2, Kind.TTFT_50: 1.5, Kind.TTFT_100: 2.0}
PROBES_PER_FALSE_ALARM = 432_000
"""One false alarm in ten months with one probe per minute."""


def report(verdicts: Sequence[Verdict], habits: Sequence[Habit]) -> str:
    """Return tables of detected incidents and false alarms.

    The tables show detection times next to the earliest possible ones.
    """
    quiet = [verdict for verdict in verdicts if not verdict.world.incidents]
    ill = [verdict for verdict in verdicts if verdict.world.incidents]
    parts = [_false("false pages", PAGES, quiet), _false("false tickets", TICKETS, quiet)]
    parts += [_habits(habits), _faults(quiet), _found(ill), _others(ill)]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _false(title: str, alerts: Sequence[str], verdicts: Sequence[Verdict]) -> Iterator[str]:
    heads = [alert.removeprefix("Inference") for alert in alerts]
    of_chat = [alert for alert in alerts if alert != ITEMS]  # a target has a TTFT or items
    yield f"| {title} per target-month | months | {' | '.join(heads)} | **all** |"
    yield "|---" * (len(alerts) + 3) + "|"
    for verdict in verdicts:
        cells = [f"{verdict.per_month(alert):.2f}" for alert in alerts]
        head = f"{verdict.world.name} | {verdict.target_months:.0f}"
        yield f"| {head} | {' | '.join(cells)} | **{verdict.per_month(*of_chat):.2f}** |"


def _habits(habits: Sequence[Habit]) -> Iterator[str]:
    heads = [alert.removeprefix("Inference") for alert in ALERTS]
    yield f"| probes that fail | since | one probe every | {' | '.join(heads)} |"
    yield "|---" * (len(heads) + 3) + "|"
    for habit in habits:
        every = "minute" if habit.every_minutes == 1 else f"{habit.every_minutes} minutes"
        cells = [f"{habit.tickets[alert]:.2f}" for alert in ALERTS]
        since = "always" if habit.always else "the first day"
        yield f"| {100 * habit.share:g} % | {since} | {every} | {' | '.join(cells)} |"


def _faults(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield "| noise | prober's own faults | told as such | false, per exporter-month |"
    yield "|---|---|---|---|"
    for verdict in verdicts:
        months = verdict.target_months / SITE_TARGETS
        false = f"{verdict.false[VANTAGE_POINT] / months:.2f}"
        yield f"| {verdict.world.name} | {verdict.faults} | {verdict.faults_told} | {false} |"


def _found(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield "| noise | injected | found | median | 90 % | bound | median / bound |"
    yield "|---|---|---|---|---|---|---|"
    for verdict in verdicts:
        for kind in RISES:
            delays = verdict.delays[kind]
            least = bound_minutes(verdict, kind)
            median = statistics.median(delays)
            ratio = f"{median / least:.1f}" if median < math.inf else ""
            times = f"{_minutes(median)} | {_minutes(float(np.quantile(delays, 0.9)))}"
            row = f"{verdict.world.name} | {kind} | {_share(delays)} | {times}"
            yield f"| {row} | {least:.1f} min | {ratio} |"


def _others(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield "| noise | injected | found | median | 90 % |"
    yield "|---|---|---|---|---|"
    for verdict in verdicts:
        for kind in [kind for kind in Kind if kind not in RISES]:
            delays = verdict.delays[kind]
            median, most = statistics.median(delays), float(np.quantile(delays, 0.9))
            row = f"{verdict.world.name} | {kind} | {_share(delays)}"
            yield f"| {row} | {_minutes(median)} | {_minutes(most)} |"


def bound_minutes(verdict: Verdict, kind: Kind) -> float:
    """Return the earliest possible detection, for independent probes without runs and drift."""
    noise, every = verdict.world.noise, verdict.world.minutes_per_probe
    shape = noise.core, noise.spike_share, noise.spike_mean
    return every * _bound(shape, math.log(RISES[kind]), PROBES_PER_FALSE_ALARM // every)


@cache
def _bound(shape: tuple[float, float, float], rise: float, run_length: int) -> float:
    return delay_in_probes(Noise("", *shape), rise, run_length)


def _share(delays: Sequence[float]) -> str:
    return f"{sum(map(math.isfinite, delays))} of {len(delays)}"


def _minutes(value: float) -> str:
    if not math.isfinite(value):
        return "not found"
    return f"{value:.0f} min" if value < 120 else f"{value / 60:.1f} h"
