"""How soon the exporter is certain of a change, what that costs, and how often it is wrong.

``python -m benchmarks.confirmation`` feeds the exporter's ``Confirmation`` one probe per minute.
The noise is fitted to real latencies: a narrow core with one-sided spikes, which can come in runs
of five minutes, and a level that can drift by a tenth within half an hour. The results depend only
on the seed. Runs and drift are the same for probes that are seconds apart, so more frequent probes
reveal nothing about them.
"""

from __future__ import annotations

import argparse
import logging
import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from multiprocessing import Pool
from random import Random

import structlog

from benchmarks.samples import RESULT, plans
from exporter.config.plan import Plan, PlanChange
from exporter.observation import Occasion, observed
from exporter.probing.confirmation import Confirmation
from exporter.probing.evidence import DOUBT, LIMIT
from exporter.result import NANOSECONDS, Failure, FailureReason, ProbeResult, Timeline

MINUTES_PER_MONTH = 43_200
LEARNING_MINUTES, WAITING_MINUTES = 500, 90
CHANGES = (1.2, 1.5, 2.0, math.inf)
"""Factors for the time to first token; the last one is an outage."""
BLIP_SECONDS = (10.0, 20.0, 30.0, 60.0)
FULL, QUICK = (1.0, 24), (0.1, 6)
"""Simulated months for false alarms, and the repetitions of each change."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Latency = exp(spread z) (1 + spike), spikes exponential with a mean, a share of the time."""

    spread: float
    share: float = 0.0
    mean: float = 0.0
    run_minutes: float = 0.0
    wander: float = 0.0


Factor = Callable[[float], float]
"""Returns the factor for the time to first token at a minute; infinite in an outage."""


def _unchanged(_minute: float) -> float:
    return 1.0


KINDS = {
    "log-normal 0.1": Kind(0.1),
    "log-normal 0.2": Kind(0.2),
    "log-normal 0.3": Kind(0.3),
    "steady": Kind(0.10, 0.15, 0.5),
    "typical": Kind(0.15, 0.04, 3),
    "spiky": Kind(0.15, 0.12, 2.5),
    "very noisy": Kind(0.30, 0.15, 3),
    "typical, in runs": Kind(0.15, 0.04, 3, run_minutes=5),
    "spiky, in runs": Kind(0.15, 0.12, 2.5, run_minutes=5),
    "typical, wandering": Kind(0.15, 0.04, 3, wander=0.1),
    "spiky, wandering": Kind(0.15, 0.12, 2.5, wander=0.1),
}


class Noise:
    """Generates latencies at ascending times."""

    def __init__(self, kind: Kind, seed: int) -> None:
        self._kind = kind
        self._random = Random(seed)
        self._minute = 0.0
        self._level = 0.0
        self._spiked = False

    def at(self, minute: float) -> float:
        """Return the latency in seconds."""
        kind, random, since = self._kind, self._random, minute - self._minute
        self._minute = minute
        stays = math.exp(-since / 30)
        drift = math.sqrt(1 - stays * stays) * random.gauss(0, 1)
        self._level = stays * self._level + kind.wander * drift
        seconds = 0.4 * math.exp(kind.spread * random.gauss(0, 1) + self._level)
        spiked = random.random() < self._chance(since)
        self._spiked = spiked
        return seconds * (1 + random.expovariate(1 / kind.mean)) if spiked else seconds

    def _chance(self, since: float) -> float:
        """Return the probability of a spike now. Runs begin and end as in a Markov chain."""
        kind = self._kind
        if not kind.run_minutes:
            return kind.share
        forgets = 1 / kind.run_minutes / (1 - kind.share)
        return kind.share + (self._spiked - kind.share) * math.exp(-forgets * since)


class Exporter:
    """One plan, probed once per minute and whenever confirmation requests it."""

    def __init__(self, kind: Kind, seed: int, *, confirm: bool) -> None:
        (plan,) = plans(1)
        self._plan: Plan = replace(plan, confirm=confirm)
        self._noise = Noise(kind, seed)
        self._evidence = 0.0
        self._confirmation = Confirmation(self._note)
        self._confirmation.apply(PlanChange.between((), [self._plan]))
        self.confirming = 0

    def _note(self, _plan: Plan, evidence: object) -> None:
        assert isinstance(evidence, dict)
        self._evidence = max(value for value in evidence.values() if value == value)

    def minute(self, number: int, factor_at: Factor = _unchanged) -> Iterator[tuple[float, float]]:
        """Yield the time of each probe in a minute, and the evidence after it."""
        at, occasion = float(number), Occasion.USUAL
        while at < number + 1:
            pause = self._confirmation.take(
                observed(self._plan, self._result(at, factor_at(at)), occasion)
            )
            yield at, self._evidence
            if pause is None:
                return
            self.confirming += 1
            at, occasion = at + pause / 60, Occasion.CONFIRMING

    def _result(self, minute: float, factor: float) -> ProbeResult:
        start, seconds = round(minute * 60 * NANOSECONDS), self._noise.at(minute)
        if math.isinf(factor):
            refused = Failure(FailureReason.CONNECT, "refused")
            return replace(RESULT, timeline=Timeline(start=start), failure=refused)
        first = start + round(seconds * factor * NANOSECONDS)
        return replace(RESULT, timeline=Timeline(start, start, first_token=first))


def false_alarms(kind: Kind, minutes: int, seed: int, *, confirm: bool) -> tuple[int, float]:
    """Return the number of false alarms, and the share of additional probes."""
    exporter, alarms, alarmed = Exporter(kind, seed, confirm=confirm), 0, False
    for number in range(minutes):
        for _, evidence in exporter.minute(number):
            alarms += evidence >= LIMIT and not alarmed
            alarmed = evidence >= LIMIT or (alarmed and evidence >= DOUBT)
    return alarms, exporter.confirming / minutes


def delay_minutes(kind: Kind, factor: float, seed: int, *, confirm: bool) -> float:
    """Return the time from a change, at a random time between two probes, to certainty."""
    exporter, waited = Exporter(kind, seed, confirm=confirm), Random(seed).random()
    for number in range(LEARNING_MINUTES):
        for _ in exporter.minute(number):
            pass
    for number in range(LEARNING_MINUTES, LEARNING_MINUTES + WAITING_MINUTES):
        for at, evidence in exporter.minute(number, lambda _: factor):
            if evidence >= LIMIT:
                return at - LEARNING_MINUTES + waited
    return math.inf


def is_certain_of_blip(kind: Kind, seconds: float, seed: int) -> bool:
    """Whether a short outage that a probe hits counts as a lasting one."""
    exporter, began = Exporter(kind, seed, confirm=True), LEARNING_MINUTES
    until = began + Random(seed).random() * seconds / 60
    for number in range(LEARNING_MINUTES + 2):
        for _, evidence in exporter.minute(
            number, lambda at: math.inf if began <= at < until else 1.0
        ):
            if number >= began and evidence >= LIMIT:
                return True
    return False


def row(job: tuple[str, bool, float, int]) -> str:
    """Return one row of the table."""
    name, confirm, months, repetitions = job
    kind, minutes = KINDS[name], round(months * MINUTES_PER_MONTH)
    alarms, more = false_alarms(kind, minutes, 1, confirm=confirm)
    cells = [f"{alarms / months:.1f}", f"{more:.1%}"]
    for factor in CHANGES:
        delays = [delay_minutes(kind, factor, 100 + n, confirm=confirm) for n in range(repetitions)]
        median = statistics.median(delays)
        cells.append("-" if math.isinf(median) else f"{median:.1f}")
    return f"| {name} | {'on' if confirm else 'off'} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.confirmation", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer draws, for CI")
    months, repetitions = QUICK if parser.parse_args().quick else FULL
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    print(
        f"one probe a minute, {months:g} months of no change, {repetitions} changes of each size;"
        f" minutes from the change to evidence of {LIMIT:g}, median; - : not within"
        f" {WAITING_MINUTES}\n"
    )
    print("| noise | confirm | false a month | more probes | +20 % | +50 % | +100 % | outage |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    jobs = [(name, confirm, months, repetitions) for name, confirm in product(KINDS, (True, False))]
    with Pool(2) as pool:
        for line in pool.imap(row, jobs):
            print(line, flush=True)
        print(f"\nof {2 * repetitions} outages that a probe came upon, taken for lasting ones:")
        for seconds in BLIP_SECONDS:
            blips = [(KINDS["typical"], seconds, seed) for seed in range(2 * repetitions)]
            print(f"{seconds:.0f} s: {sum(pool.starmap(is_certain_of_blip, blips))}", flush=True)


if __name__ == "__main__":
    main()
