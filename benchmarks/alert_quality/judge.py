"""What the alerts detect, how soon, and how often they are wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from benchmarks.alert_quality import failures
from benchmarks.alert_quality.confirming import certainty
from benchmarks.alert_quality.failures import Flags
from benchmarks.alert_quality.fleet import (
    LEARNING_DAYS,
    MINUTES_PER_DAY,
    SITE_TARGETS,
    Fleet,
    Kind,
    World,
    simulate,
)
from benchmarks.alert_quality.regressions import (
    HOUR_PROBES_FIRST_TOKEN,
    RISES,
    deviation,
    evidence,
    new_in_hour,
    slower_hour,
    usual,
)
from benchmarks.alert_quality.windows import Array, lately
from exporter.probing.evidence import LIMIT

PAGES = (
    "InferenceFirstTokenSlow",
    "InferenceTargetDown",
    "InferenceErrorBudgetBurnsFast 99 %",
    "InferenceErrorBudgetBurnsFast 99.9 %",
)
ITEMS = "InferenceItemsSlower"
TICKETS = (
    "InferenceFirstTokenSlower",
    "InferenceOutputSlower",
    ITEMS,
    "InferenceErrorsHigh",
    "InferenceThrottled",
    "InferenceWrongAnswers",
    "InferenceErrorBudgetBurnsSlowly 99 %",
    "InferenceErrorBudgetBurnsSlowly 99.9 %",
)
VANTAGE_POINT = "InferenceVantagePointDegraded"
RIGHTLY: dict[Kind, tuple[str, ...]] = {
    Kind.TTFT_20: ("InferenceFirstTokenSlow", "InferenceFirstTokenSlower"),
    Kind.TTFT_50: ("InferenceFirstTokenSlow",),
    Kind.TTFT_100: ("InferenceFirstTokenSlow",),
    Kind.SPEED_30: ("InferenceOutputSlower",),
    Kind.ERRORS_2: ("InferenceErrorsHigh",),
    Kind.ERRORS_10: ("InferenceErrorsHigh",),
    Kind.ERRORS_30: ("InferenceErrorsHigh",),
    Kind.OUTAGE: ("InferenceTargetDown",),
}
"""The alerts that each kind of incident should cause."""
AFTERMATH_MINUTES = 360
"""How long alerts may continue after an incident: the longest window of their rules."""
_HELD_BACK = 5
"""The minutes for which the vantage point's alert keeps firing and inhibits all others."""
_SAME_EPISODE_MINUTES = 15
"""A shorter silence doesn't end an episode: Alertmanager wouldn't have sent it as resolved."""
_AT_ONCE = 20
"""The number of targets judged at a time, to limit memory; always whole sites."""


@dataclass(slots=True)
class Verdict:
    """The verdict on the alerts in one simulated world."""

    world: World
    target_months: float
    false: Counter[str] = field(default_factory=Counter)
    """Episodes while nothing was wrong with the target."""
    faults_told: int = 0
    """Faults of a prober's own network that it told of as such."""
    faults: int = 0
    delays: dict[Kind, list[float]] = field(default_factory=dict)
    """Minutes until each incident was told of; infinite if it was not."""

    def per_month(self, *alerts: str) -> float:
        return sum(self.false[alert] for alert in alerts) / self.target_months


def judge(world: World, targets: int, days: int, seed: int) -> Verdict:
    """The alerts on a simulated fleet; ``targets`` are rounded up to whole sites."""
    parts = -(-targets // _AT_ONCE)
    verdict = Verdict(world, parts * _AT_ONCE * days / 30)
    for part in range(parts):
        of_part = seed * 1000 + part
        fleet = simulate(world, _AT_ONCE, days, of_part)
        _judge(fleet, firing(fleet, certainty(fleet, of_part)), verdict)
    return verdict


def firing(fleet: Fleet, evidence_of_slow: Array) -> Mapping[str, Flags]:
    """When each alert fires and is not held back by the one on the vantage point.

    :param evidence_of_slow: the exporter's evidence that times to first token are longer.
    """
    away = deviation(np.log(fleet.time_to_first_token))
    week = usual(away)
    found = [evidence(away, fleet.made & ~fleet.failed, week, rise) for rise in RISES]
    degraded, slowing = failures.vantage_point(fleet, found[0])
    certain = evidence_of_slow >= LIMIT
    slow = np.logical_or.reduce([one.slow(slowing | degraded, certain) for one in found])
    hour, hour_limit = slower_hour(away, fleet.made)
    enough = new_in_hour(fleet.made) >= HOUR_PROBES_FIRST_TOKEN
    output, output_limit = slower_hour(deviation(np.log(fleet.time_per_output_token)), fleet.made)
    counted = failures.counters(fleet)
    answered = failures.counters(fleet, of_provider=True)
    down = failures.target_down(fleet)
    errors = failures.errors_high(counted, down, degraded)
    late = lately(degraded, 60) | lately(slow, 60)
    alerts = {
        "InferenceFirstTokenSlow": slow,
        "InferenceTargetDown": down,
        "InferenceFirstTokenSlower": (hour > hour_limit) & enough & ~late,
        "InferenceOutputSlower": (output > output_limit) & ~lately(degraded, 60),
        ITEMS: (hour > hour_limit) & ~lately(degraded, 60),
        "InferenceErrorsHigh": errors,
        "InferenceThrottled": failures.throttled(answered, down),
        "InferenceWrongAnswers": failures.wrong_answers(answered),
    }
    for objective, name in ((0.99, "99 %"), (0.999, "99.9 %")):
        fast, slowly = failures.burns(counted, objective, down, errors, degraded)
        alerts[f"InferenceErrorBudgetBurnsFast {name}"] = fast
        alerts[f"InferenceErrorBudgetBurnsSlowly {name}"] = slowly
    held_back = lately(degraded, _HELD_BACK)
    return {name: flags & ~held_back for name, flags in alerts.items()} | {VANTAGE_POINT: degraded}


def _judge(fleet: Fleet, told: Mapping[str, Flags], verdict: Verdict) -> None:
    start = LEARNING_DAYS * MINUTES_PER_DAY
    wrong = np.zeros(fleet.failed.shape, bool)
    for incident in fleet.incidents:
        wrong[incident.target, incident.start : incident.end + AFTERMATH_MINUTES] = True
    for name in (*PAGES, *TICKETS):
        for target in range(fleet.targets):
            verdict.false[name] += _unexplained(told[name][target, start:], wrong[target, start:])
    for site in range(0, fleet.targets, SITE_TARGETS):
        degraded, faults = told[VANTAGE_POINT][site, start:], fleet.faults[site, start:]
        verdict.false[VANTAGE_POINT] += _unexplained(degraded, lately(faults[None], 15)[0])
        for first, last in episodes(faults):
            verdict.faults += 1
            verdict.faults_told += bool(degraded[first : last + 5].any())
    for incident in fleet.incidents:
        flags = np.logical_or.reduce(
            [told[name][incident.target] for name in RIGHTLY[incident.kind]]
        )
        within = flags[incident.start : incident.end]
        after = float(within.argmax() + 1) if within.any() else np.inf
        if not flags[incident.start - 1]:
            verdict.delays.setdefault(incident.kind, []).append(after)


def _unexplained(told: Flags, wrong: Flags) -> int:
    """Episodes throughout which nothing was wrong."""
    return sum(not wrong[first : last + 1].any() for first, last in episodes(told))


def episodes(flags: Flags) -> Iterator[tuple[int, int]]:
    """First and last step of each, parted where they are silent for long."""
    steps = np.flatnonzero(flags)
    if not len(steps):
        return
    gaps = np.flatnonzero(np.diff(steps) > _SAME_EPISODE_MINUTES)
    firsts = np.concatenate([[0], gaps + 1])
    lasts = np.concatenate([gaps, [len(steps) - 1]])
    yield from zip(steps[firsts].tolist(), steps[lasts].tolist(), strict=True)
