"""The verdict on the alerts as Markdown."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from benchmarks.alert_quality.fleet import LEARNING_DAYS, MINUTES_PER_DAY, Fleet, Kind
from benchmarks.alert_quality.judge import Episode, Found

GOALS_MINUTES = {Kind.TTFT_50: 15, Kind.TTFT_20: 60}
DAYS_PER_MONTH = 30


def report(fleet: Fleet, found: Sequence[Found], false: Sequence[Episode]) -> str:
    """Tables of what was found and of what was not there."""
    return (
        "\n".join(
            [*_found_table(found), "", *_noise_table(fleet, found), "", *_false(fleet, false)]
        )
        + "\n"
    )


def _found_table(found: Sequence[Found]) -> Iterator[str]:
    yield "| injected | times | found | within the goal | median | slowest |"
    yield "|---|---|---|---|---|---|"
    for kind in Kind:
        yield _row(str(kind), kind, [one for one in found if one.incident.kind is kind])


def _noise_table(fleet: Fleet, found: Sequence[Found]) -> Iterator[str]:
    yield "| noise of a probe (sigma) | injected | found | within the goal | median | slowest |"
    yield "|---|---|---|---|---|---|"
    for noise in sorted(set(fleet.noise)):
        for kind in (Kind.TTFT_20, Kind.TTFT_50):
            cases = [
                one
                for one in found
                if one.incident.kind is kind and fleet.noise[one.incident.target] == noise
            ]
            if cases:
                yield _row(f"{noise:g} | {kind}", kind, cases, counted=False)


def _row(head: str, kind: Kind, cases: Sequence[Found], *, counted: bool = True) -> str:
    after = sorted(one.minutes for one in cases if one.minutes < math.inf)
    goal = GOALS_MINUTES.get(kind)
    within = f"{sum(m <= goal for m in after)} within {goal} min" if goal else ""
    times = f" | {len(cases)}" if counted else ""
    cells = f"{len(after)} of {len(cases)} | {within} | {_span(after, statistics.median)}"
    return f"| {head}{times} | {cells} | {_span(after, max)} |"


def _span(minutes: Sequence[float], pick: Callable[[Sequence[float]], float]) -> str:
    if not minutes:
        return ""
    value = pick(minutes)
    return f"{value:.0f} min" if value < 120 else f"{value / 60:.1f} h"


def _false(fleet: Fleet, false: Sequence[Episode]) -> Iterator[str]:
    days = fleet.minutes / MINUTES_PER_DAY - LEARNING_DAYS
    months = fleet.targets * days / DAYS_PER_MONTH
    counts = Counter((episode.severity, episode.alert) for episode in false)
    yield "| false alarms | severity | in all | per target and month |"
    yield "|---|---|---|---|"
    for (severity, alert), count in sorted(counts.items()):
        yield f"| {alert} | {severity} | {count} | {count / months:.2f} |"
    pages = sum(count for (severity, _), count in counts.items() if severity == "critical")
    yield f"| **all pages** | critical | {pages} | **{pages / months:.2f}** |"
