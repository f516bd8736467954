"""Costs are compared for the same prompts, and failures cost what they cost."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from exporter.compare.sample import Sample
from exporter.compare.sampling.prompts import Prompt
from exporter.compare.sampling.sampler import to_sample
from exporter.compare.statistics.analysis import analyse
from exporter.compare.statistics.findings import Finding, Rules
from exporter.compare.statistics.measures import Measure
from exporter.compare.statistics.verdict import Verdict
from exporter.result import Failure, FailureReason, Timeline
from tests.compare.making import BASELINE, CANDIDATE, failed, side, subject
from tests.metrics.test_metrics import GOOD, MS, plan

PER_TOKEN, PER_REQUEST = Measure.USD_PER_MILLION_TOKENS, Measure.USD_PER_THOUSAND_REQUESTS


def costs(*sides: list[Sample]) -> tuple[Finding, ...]:
    rules = Rules(draws=499, measures=(PER_TOKEN, PER_REQUEST))
    samples = [sample for own in sides for sample in own]
    return analyse(subject(), samples, rules).versus[0].findings


def mixed(target: str) -> list[Sample]:
    """Every third prompt is long. Prices are the same for all targets."""
    return [
        replace(
            sample,
            stratum="long" if sample.block % 3 == 2 else "short",
            input_tokens=10_000 if sample.block % 3 == 2 else 100,
            cost_usd=0.0103 if sample.block % 3 == 2 else 0.0004,
        )
        for sample in side(target, 300)
    ]


def test_a_side_that_fails_on_long_prompts_is_not_the_cheaper_one_for_it() -> None:
    short_only = [failed(s) if s.stratum == "long" else s for s in mixed(CANDIDATE)]

    for finding in costs(mixed(BASELINE), short_only):
        assert finding.verdict is Verdict.SAME
        assert finding.baseline == pytest.approx(finding.candidate)


@pytest.mark.parametrize(("share", "usd"), [(0.5, None), (0.5, 0.0), (1.0, 0.0)])
def test_a_side_on_which_long_prompts_fail_is_not_cheaper(share: float, usd: float | None) -> None:
    """Otherwise, a block with one failure would have half as many long prompts on this side. A
    failure that takes no time costs a server paid by the hour nothing, but isn't an answer."""
    random = Random(1)
    failing = [
        replace(failed(s), cost_usd=usd) if s.stratum == "long" and random.random() < share else s
        for s in mixed(CANDIDATE)
    ]
    for finding in costs(mixed(BASELINE), failing):
        assert finding.verdict is Verdict.SAME
        assert finding.baseline == pytest.approx(finding.candidate)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_failures_that_take_as_long_as_answers_cost_as_much(share: float) -> None:
    random = Random(1)
    failing = [
        replace(failed(s), cost_usd=0.002) if random.random() < share else s
        for s in side(CANDIDATE, 400, usd=0.002)
    ]
    answers = sum(sample.failure is None for sample in failing)
    for finding in costs(side(BASELINE, 400, usd=0.002), failing):
        assert finding.candidate == pytest.approx((finding.baseline or 0) * 400 / answers)


def test_costs_at_different_times_are_compared_by_stratum() -> None:
    later = [replace(sample, block=sample.block + 1000) for sample in mixed(CANDIDATE)]
    for finding in costs(mixed(BASELINE), later):
        assert finding.baseline == pytest.approx(finding.candidate)
        assert finding.effect is not None

    short_only = [failed(s) if s.stratum == "long" else s for s in later]
    for finding in costs(mixed(BASELINE), short_only):
        assert finding.baseline == pytest.approx(finding.candidate)


def test_costs_of_different_prompts_are_not_compared() -> None:
    baseline = [failed(s) if s.stratum == "long" else s for s in mixed(BASELINE)]
    candidate = [failed(s) if s.stratum == "short" else s for s in mixed(CANDIDATE)]

    cost, _ = costs(baseline, candidate)
    assert (cost.verdict, cost.note) == (Verdict.UNDECIDED, "no prompt has a cost on both sides")


def test_failures_of_a_server_paid_by_the_hour_make_its_tokens_dearer() -> None:
    steady = side(BASELINE, 200, usd=0.002)
    half = [
        replace(failed(sample), cost_usd=0.002) if number % 2 else sample
        for number, sample in enumerate(side(CANDIDATE, 200, usd=0.002))
    ]
    cost, _ = costs(steady, half)
    assert cost.verdict is Verdict.WORSE
    assert cost.candidate == pytest.approx(2 * (cost.baseline or 0))


def test_a_failure_costs_the_time_of_a_server_that_is_paid_by_the_hour() -> None:
    timeline = Timeline(start=0, sent=500 * MS, over=2_000 * MS)
    late = replace(
        GOOD,
        timeline=timeline,
        failure=Failure(FailureReason.TIMEOUT_TOTAL, "too slow"),
        usage=None,
    )
    asking = plan(price={"usd_per_hour": 3.6, "gpus": 1, "concurrency": 2})
    sample = to_sample(asking, late, 0, Prompt("Say it."))
    assert sample.cost_usd == pytest.approx(2 * 0.001 / 2)
