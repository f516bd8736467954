"""Providers made up to try ``compare`` on, and what it says of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from exporter.compare.sample import Sample
from exporter.compare.statistics.analysis import analyse
from exporter.compare.statistics.findings import Report, Rules
from exporter.compare.statistics.measures import Measure
from exporter.compare.statistics.sequential import looks
from exporter.compare.statistics.verdict import Band, Verdict, decide
from exporter.compare.subject import Party, Subject

Floats = npt.NDArray[np.float64]
Generator = np.random.Generator

SUBJECT = Subject(
    baseline=Party(name="baseline"), candidates=(Party(name="candidate"),), source="", asked=""
)
RULES = Rules(draws=999)
"""Fewer draws than in earnest: the intervals are a little less steady, not narrower."""
DRAWS_OF_LOOKS = 4999
"""The level of an early look is below what fewer draws can show."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A distribution of times."""

    name: str
    draw: Callable[[Generator, int], Floats]
    quantile: Callable[[float], float]


SIGMA = 0.4
BUSY, BUSY_SHARE, SPREAD = 3.0, 0.3, 0.15
TAIL = 1.5


def _bimodal(random: Generator, count: int) -> Floats:
    times: Floats = np.where(random.random(count) < BUSY_SHARE, BUSY, 1.0)
    return times * random.lognormal(0, SPREAD, count)


def _bimodal_quantile(share: float) -> float:
    """By bisection."""
    normal, low, high = NormalDist(0, SPREAD), 0.01, 100.0
    while high / low > 1 + 1e-9:
        middle = math.sqrt(low * high)
        log = math.log(middle)
        below = (1 - BUSY_SHARE) * normal.cdf(log) + BUSY_SHARE * normal.cdf(log - math.log(BUSY))
        low, high = (middle, high) if below < share else (low, middle)
    return low


SHAPES = (
    Shape(
        "log-normal",
        lambda random, count: random.lognormal(0, SIGMA, count),
        lambda share: math.exp(NormalDist(0, SIGMA).inv_cdf(share)),
    ),
    Shape("bimodal", _bimodal, _bimodal_quantile),
    Shape(
        "heavy-tailed",
        lambda random, count: 1 + random.pareto(TAIL, count),
        lambda share: (1 - share) ** (-1 / TAIL),
    ),
)


def only_first_tokens(target: str, times: Floats) -> Iterator[Sample]:
    """Successful probes of which the time to first token is known, two in each block."""
    for index, seconds in enumerate(times):
        yield Sample(
            target=target,
            block=index // 2,
            finished_at=0.0,
            time_to_first_token_seconds=float(seconds),
        )


def whole(target: str, random: Generator, load: Floats) -> Iterator[Sample]:
    """Probes of which everything is known; ``load`` is a factor on the times of each."""
    count = len(load)
    first = load * random.lognormal(-1, 0.3, count)
    gap = load * random.lognormal(-4, 0.2, count)
    tokens = random.integers(50, 64, count)
    failed = random.random(count) < 0.01
    for index in range(count):
        if failed[index]:
            yield Sample(target=target, block=index // 2, finished_at=0.0, failure="overloaded")
            continue
        yield Sample(
            target=target,
            block=index // 2,
            finished_at=0.0,
            time_to_first_token_seconds=float(first[index]),
            time_per_output_token_seconds=float(gap[index]),
            request_duration_seconds=float(first[index] + gap[index] * tokens[index]),
            input_tokens=100,
            output_tokens=int(tokens[index]),
            cost_usd=(100 + 4 * int(tokens[index])) / 1e6,
        )


def cover(shapes: tuple[int, int], probes: int, seed: int) -> dict[Measure, bool]:
    """Whether the interval of each quantile's ratio holds the true one."""
    random = np.random.default_rng(seed)
    before, after = (SHAPES[index] for index in shapes)
    samples = [
        *only_first_tokens("baseline", before.draw(random, probes)),
        *only_first_tokens("candidate", after.draw(random, probes)),
    ]
    report = analyse(SUBJECT, samples, replace(RULES, seed=seed))
    held = {}
    for measure, share in ((Measure.TTFT_P50, 0.50), (Measure.TTFT_P95, 0.95)):
        effect = report.versus[0].finding(measure).effect
        truth = after.quantile(share) / before.quantile(share)
        if effect:
            held[measure] = effect.low <= truth <= effect.high
    return held


def prompts(random: Generator, probes: int) -> Floats:
    """A factor that both sides share: the prompt of each block."""
    return np.repeat(random.lognormal(0, 0.3, probes // 2), 2)


def episodes(random: Generator, probes: int) -> Floats:
    """A provider that is three times as slow during one tenth of the time, ten blocks on end."""
    slow, states = random.random() < 0.1, []
    for _ in range(probes // 2):
        states.append(slow)
        slow = random.random() < (0.9 if slow else 0.1 / 9)
    return np.repeat(np.where(states, 3.0, 1.0), 2)


def equal_providers(with_episodes: bool, probes: int, seed: int) -> Report:
    random = np.random.default_rng(seed)
    common = prompts(random, probes)
    samples: list[Sample] = []
    for target in ("baseline", "candidate"):
        own = episodes(random, probes) if with_episodes else np.ones(probes)
        samples += whole(target, random, common * own)
    return analyse(SUBJECT, samples, replace(RULES, seed=seed))


def differs(report: Report) -> bool:
    """Whether any measure is called better or worse."""
    return any(verdict in (Verdict.BETTER, Verdict.WORSE) for verdict in report.verdicts())


def false_verdict(with_episodes: bool, probes: int, seed: int) -> bool:
    return differs(equal_providers(with_episodes, probes, seed))


def called_worse(shape: int, slower: float, probes: int, seed: int) -> tuple[bool, bool]:
    """Whether the median time to first token of a candidate that much slower is found to be
    worse: judged together with all other measures, and alone."""
    random = np.random.default_rng(seed)
    common = prompts(random, probes)
    samples: list[Sample] = []
    for target, factor in (("baseline", 1.0), ("candidate", slower)):
        times = factor * SHAPES[shape].draw(random, probes)
        samples += [
            replace(sample, time_to_first_token_seconds=float(seconds))
            for sample, seconds in zip(whole(target, random, common), times, strict=True)
            if sample.failure is None
        ]
    report = analyse(SUBJECT, samples, replace(RULES, seed=seed))
    finding = report.versus[0].finding(Measure.TTFT_P50)
    if finding.effect is None:
        return False, False
    alone = decide(
        finding.effect,
        Band.of_ratio(finding.margin),
        finding.effect.p_value,
        RULES.alpha,
        higher_is_better=False,
    )
    return finding.verdict is Verdict.WORSE, alone is Verdict.WORSE


@dataclass(frozen=True, slots=True)
class Story:
    """What came of one comparison with several looks."""

    probes: int
    honest: bool
    """Whether any look called something better or worse at its own level."""
    naive: bool
    """The same, had every look taken the whole level for itself; tried with equal providers."""


def look_repeatedly(slower: float, planned: int, seed: int) -> Story:
    random = np.random.default_rng(seed)
    samples = [
        *only_first_tokens("baseline", random.lognormal(0, SIGMA, planned)),
        *only_first_tokens("candidate", slower * random.lognormal(0, SIGMA, planned)),
    ]
    rules = replace(RULES, seed=seed, draws=DRAWS_OF_LOOKS)
    honest = naive = False
    stopped = planned
    for look in looks(planned, rules.alpha):
        so_far = [sample for sample in samples if sample.block < look.probes // 2]
        report = analyse(SUBJECT, so_far, replace(rules, confidence=1 - look.alpha))
        honest = honest or differs(report)
        if slower == 1.0:
            naive = naive or differs(analyse(SUBJECT, so_far, rules))
        if report.decided:
            stopped = min(stopped, look.probes)
    return Story(stopped, honest, naive)
