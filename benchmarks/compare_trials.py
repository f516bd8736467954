"""Simulated providers for trials of ``compare``, and its verdicts on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from exporter.compare.sample import Sample
from exporter.compare.statistics.analysis import analyse
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Rules
from exporter.compare.statistics.measures import TYPICAL, Measure
from exporter.compare.statistics.verdict import Band, Verdict, corrected, decide
from exporter.compare.subject import Party, Subject

Floats = npt.NDArray[np.float64]
Generator = np.random.Generator

SUBJECT = Subject(
    baseline=Party(name="baseline"), candidates=(Party(name="candidate"),), source="", asked=""
)
RULES = Rules(draws=999)
"""Fewer draws than in production. The intervals vary slightly more, but aren't narrower."""


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
    """Find the quantile by bisection."""
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
    """Yield successful probes with only the time to first token, two in each block."""
    for index, seconds in enumerate(times):
        yield Sample(
            target=target,
            block=index // 2,
            finished_at=0.0,
            time_to_first_token_seconds=float(seconds),
        )


def whole(target: str, random: Generator, load: Floats) -> Iterator[Sample]:
    """Yield probes with all values; ``load`` is a factor for the times of each."""
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


def typical_truth(before: Shape, after: Shape) -> float:
    """Return the median of all ratios between two distributions."""
    shares = (np.arange(4_000) + 0.5) / 4_000
    logs = [np.log([shape.quantile(share) for share in shares]) for shape in (before, after)]
    low, high = -5.0, 5.0
    while high - low > 1e-7:
        middle = (low + high) / 2
        below = np.searchsorted(logs[0], logs[1] - middle).mean() / len(shares)
        low, high = (middle, high) if below > 0.5 else (low, middle)
    return math.exp(low)


@cache
def truths(pair: tuple[int, int]) -> dict[Measure, float]:
    before, after = (SHAPES[index] for index in pair)
    return {
        Measure.TTFT_TYPICAL: typical_truth(before, after),
        Measure.TTFT_P50: after.quantile(0.50) / before.quantile(0.50),
        Measure.TTFT_P95: after.quantile(0.95) / before.quantile(0.95),
    }


def cover(pair: tuple[int, int], probes: int, seed: int) -> dict[Measure, bool]:
    """Return for each measure whether the interval contains the true ratio."""
    random = np.random.default_rng(seed)
    before, after = (SHAPES[index] for index in pair)
    samples = [
        *only_first_tokens("baseline", before.draw(random, probes)),
        *only_first_tokens("candidate", after.draw(random, probes)),
    ]
    report = analyse(SUBJECT, samples, replace(RULES, seed=seed))
    effects = {m: report.versus[0].finding(m).effect for m in truths(pair)}
    return {m: e.low <= truths(pair)[m] <= e.high for m, e in effects.items() if e}


def prompts(random: Generator, probes: int) -> Floats:
    """Return a factor for each block that both sides share, because of the prompt."""
    return np.repeat(random.lognormal(0, 0.3, probes // 2), 2)


def episodes(random: Generator, probes: int) -> Floats:
    """Return factors of a provider that is three times slower a tenth of the time.

    A slow episode lasts ten blocks.
    """
    slow, states = random.random() < 0.1, []
    for _ in range(probes // 2):
        states.append(slow)
        slow = random.random() < (0.9 if slow else 0.1 / 9)
    return np.repeat(np.where(states, 3.0, 1.0), 2)


def compared(
    shape: int, slower: float, probes: int, seed: int, *, with_episodes: bool = False
) -> Report:
    """Compare two providers with all values; the candidate has a later first token."""
    random = np.random.default_rng(seed)
    common = prompts(random, probes)
    samples: list[Sample] = []
    for target, factor in (("baseline", 1.0), ("candidate", slower)):
        own = episodes(random, probes) if with_episodes else np.ones(probes)
        first = factor * own * SHAPES[shape].draw(random, probes)
        probes_ = zip(whole(target, random, common * own), map(float, first), strict=True)
        samples += (_with_first_token(sample, seconds) for sample, seconds in probes_)
    return analyse(SUBJECT, samples, replace(RULES, seed=seed))


def _with_first_token(sample: Sample, seconds: float) -> Sample:
    if sample.failure or sample.output_tokens is None:
        return sample
    rest = (sample.time_per_output_token_seconds or 0.0) * sample.output_tokens
    return replace(
        sample,
        time_to_first_token_seconds=seconds,
        request_duration_seconds=seconds + rest,
    )


BETTER_OR_WORSE = (Verdict.BETTER, Verdict.WORSE)


def differs(report: Report) -> bool:
    """Whether any measure is called better or worse."""
    return any(verdict in BETTER_OR_WORSE for verdict in report.verdicts())


def holm_verdicts(report: Report) -> dict[Measure, Verdict]:
    """Return the verdicts of the previous method: one Holm correction without typical ratios."""
    findings = {f.measure: f for f in report.versus[0].findings if f.measure not in TYPICAL}
    effects = {measure: f.effect for measure, f in findings.items() if f.effect}
    p_values = {measure: effect.p_value for measure, effect in effects.items()}
    adjusted = corrected(p_values, dict.fromkeys(p_values, 1.0), {})
    return {
        measure: decide(
            effect,
            Band.of_difference(findings[measure].margin)
            if measure is Measure.SUCCESS
            else Band.of_ratio(findings[measure].margin),
            adjusted[measure],
            RULES.alpha,
            higher_is_better=findings[measure].definition.higher_is_better,
        )
        for measure, effect in effects.items()
    }


def false_verdict(
    shape: int, with_episodes: bool, probes: int, seed: int
) -> tuple[bool, bool, bool]:
    """Return whether equal providers get a wrong verdict.

    The results are for the current method, for one Holm correction, and for the typical time to
    first token alone.
    """
    report = compared(shape, 1.0, probes, seed, with_episodes=with_episodes)
    before = any(verdict in BETTER_OR_WORSE for verdict in holm_verdicts(report).values())
    effect = report.versus[0].finding(Measure.TTFT_TYPICAL).effect
    return differs(report), before, bool(effect and effect.p_value < RULES.alpha)


def called_worse(shape: int, slower: float, probes: int, seed: int) -> tuple[bool, bool, bool]:
    """Return whether the later first token of a candidate is found.

    The results are for the typical time among all measures, for the median with one Holm
    correction (the previous method), and for the typical time alone.
    """
    report = compared(shape, slower, probes, seed)
    typical = report.versus[0].finding(Measure.TTFT_TYPICAL)
    alone = typical.effect is not None and decide(
        typical.effect,
        Band.of_ratio(typical.margin),
        typical.effect.p_value,
        RULES.alpha,
        higher_is_better=False,
    )
    return (
        typical.verdict is Verdict.WORSE,
        holm_verdicts(report).get(Measure.TTFT_P50) is Verdict.WORSE,
        alone is Verdict.WORSE,
    )
