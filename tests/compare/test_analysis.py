"""From samples to conclusions."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from random import Random

import pytest

from exporter.compare.sample import Sample
from exporter.compare.statistics.analysis import analyse
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Rules
from exporter.compare.statistics.measures import Measure
from exporter.compare.statistics.verdict import Verdict
from tests.compare.making import BASELINE, CANDIDATE, cold, failed, side, subject

RULES = Rules(draws=1999)


def verdicts(report: Report, candidate: int = 0) -> dict[Measure, Verdict]:
    return {finding.measure: finding.verdict for finding in report.versus[candidate].findings}


def compare(*samples: list[Sample]) -> Report:
    return analyse(subject(), list(chain.from_iterable(samples)), RULES)


def test_twice_as_fast_and_half_the_price_is_better() -> None:
    report = compare(side(BASELINE, 200, usd=0.002), side(CANDIDATE, 200, slower=0.5, usd=0.001))

    found = verdicts(report)
    assert {measure for measure, verdict in found.items() if verdict is Verdict.BETTER} == set(
        Measure
    ) - {Measure.SUCCESS, Measure.COLD_START}
    assert found[Measure.SUCCESS] is Verdict.SAME
    ratio = report.versus[0].finding(Measure.TTFT_P50).effect
    assert ratio is not None
    assert ratio.low < 0.5 < ratio.high


def test_the_mirrored_comparison_has_the_mirrored_verdicts() -> None:
    report = compare(side(BASELINE, 200, slower=0.5), side(CANDIDATE, 200))

    timed = [Measure.TTFT_P50, Measure.TPOT_P95, Measure.DURATION_P50, Measure.TOKENS_PER_SECOND]
    assert {verdicts(report)[measure] for measure in timed} == {Verdict.WORSE}


def test_the_same_is_the_same_once_the_interval_fits_into_the_margin() -> None:
    few = compare(side(BASELINE, 40), side(CANDIDATE, 40))
    many = compare(side(BASELINE, 600), side(CANDIDATE, 600))

    assert verdicts(few)[Measure.TTFT_P50] is Verdict.UNDECIDED
    assert verdicts(many)[Measure.TTFT_P50] is Verdict.SAME


def test_a_wider_margin_decides_sooner() -> None:
    samples = side(BASELINE, 100) + side(CANDIDATE, 100)
    wide = replace(RULES, margins={Measure.TTFT_P50: 0.5})

    assert verdicts(analyse(subject(), samples, wide))[Measure.TTFT_P50] is Verdict.SAME


def test_a_tail_needs_more_samples_than_a_median() -> None:
    report = compare(side(BASELINE, 60), side(CANDIDATE, 60, slower=3))

    assert verdicts(report)[Measure.TTFT_P50] is Verdict.WORSE
    tail = report.versus[0].finding(Measure.TTFT_P95)
    assert (tail.effect, tail.verdict) == (None, Verdict.UNDECIDED)
    assert tail.note == "60 of 160 values"
    assert tail.candidate is not None


def test_failures_count_against_success_and_are_tallied() -> None:
    report = compare(side(BASELINE, 400), side(CANDIDATE, 400, failing=0.2))

    success = report.versus[0].finding(Measure.SUCCESS)
    assert success.verdict is Verdict.WORSE
    tally = report.tallies[1]
    assert tally.probes == 400
    assert tally.failures == {"overloaded": tally.failed}
    assert tally.failed == pytest.approx(80, abs=25)
    assert tally.example == "come back later"


def in_one_outage(sample: Sample) -> Sample:
    """Return the same probe during an outage, or outside it."""
    failure = "overloaded" if 40 <= sample.block < 60 else None
    return replace(sample, failure=failure)


def test_an_outage_tells_less_than_as_many_failures_far_apart() -> None:
    steady = side(BASELINE, 400)
    outage = [in_one_outage(sample) for sample in side(CANDIDATE, 400)]
    scattered = [
        replace(sample, failure="overloaded" if sample.block % 10 == 5 else None)
        for sample in side(CANDIDATE, 400)
    ]

    (bunched, even) = (
        compare(steady, candidate).versus[0].finding(Measure.SUCCESS).effect
        for candidate in (outage, scattered)
    )

    assert bunched is not None
    assert even is not None
    assert bunched.value == pytest.approx(even.value)
    assert bunched.high - bunched.low > 2 * (even.high - even.low)


def test_what_both_sides_have_in_common_cancels() -> None:
    """A slow hour of the network, or a long prompt, slows both sides."""
    load = [3.0 if 20 <= block < 50 else 1.0 for block in range(100)]
    sides = [
        [
            replace(
                sample,
                time_to_first_token_seconds=load[sample.block]
                * (sample.time_to_first_token_seconds or 0),
            )
            for sample in side(name, 200)
        ]
        for name in (BASELINE, CANDIDATE)
    ]
    apart = [replace(sample, block=(sample.block + 50) % 100) for sample in sides[1]]

    together = compare(*sides).versus[0].finding(Measure.TTFT_P50).effect
    shifted = compare(sides[0], apart).versus[0].finding(Measure.TTFT_P50).effect

    assert together is not None
    assert shifted is not None
    assert together.high / together.low < shifted.high / shifted.low


def test_an_unknown_price_leaves_no_cost() -> None:
    report = compare(side(BASELINE, 200, usd=0.002), side(CANDIDATE, 200))

    cost = report.versus[0].finding(Measure.USD_PER_MILLION_TOKENS)
    assert cost.baseline == pytest.approx(20.0)
    assert cost.candidate is None
    assert (cost.verdict, cost.note) == (Verdict.NOT_MEASURED, "the cost of own is unknown")
    assert report.tallies[1].cost_usd is None


def test_cold_starts_are_compared_among_themselves() -> None:
    report = compare(
        side(BASELINE, 200),
        side(CANDIDATE, 200),
        cold(BASELINE, [1.0 + index / 100 for index in range(7)]),
        cold(CANDIDATE, [30.0 + index for index in range(7)]),
    )

    start = report.versus[0].finding(Measure.COLD_START)
    assert start.verdict is Verdict.WORSE
    assert start.candidate == 33.0
    assert report.tallies[0].probes == 200
    assert report.tallies[0].cold_probes == 7


def test_cold_starts_that_nobody_asked_for_are_not_measured() -> None:
    start = compare(side(BASELINE, 20), side(CANDIDATE, 20)).versus[0].finding(Measure.COLD_START)

    assert (start.verdict, start.note) == (Verdict.NOT_MEASURED, "not requested")


def test_six_cold_starts_of_each_side_can_have_a_verdict_among_all_measures() -> None:
    report = compare(
        side(BASELINE, 200),
        side(CANDIDATE, 200),
        cold(BASELINE, [1.0 + index / 100 for index in range(6)]),
        cold(CANDIDATE, [3.0 + index for index in range(6)]),
    )

    assert report.versus[0].finding(Measure.COLD_START).verdict is Verdict.WORSE


def test_what_matters_first_finds_smaller_differences() -> None:
    samples = side(BASELINE, 100, seed=1) + side(CANDIDATE, 100, slower=1.08, seed=1)
    own = replace(RULES, first=(Measure.TPOT_TYPICAL,))

    usual, chosen = (
        analyse(subject(), samples, rules).versus[0].finding(Measure.TPOT_TYPICAL)
        for rules in (RULES, own)
    )

    assert chosen.effect == usual.effect
    assert chosen.corrected_p is not None
    assert usual.corrected_p is not None
    assert chosen.corrected_p < usual.corrected_p


def test_a_typical_ratio_and_both_values_agree() -> None:
    finding = compare(side(BASELINE, 100), side(CANDIDATE, 100, slower=1.5)).versus[0].findings[0]

    assert finding.measure is Measure.TTFT_TYPICAL
    assert finding.effect is not None
    assert (finding.candidate or 0) / (finding.baseline or 1) == pytest.approx(finding.effect.value)


def test_several_candidates_are_judged_against_one_baseline() -> None:
    samples = side(BASELINE, 200) + side("fast", 200, slower=0.5) + side("slow", 200, slower=2)
    report = analyse(subject("fast", "slow"), samples, RULES)

    assert verdicts(report, 0)[Measure.TTFT_P95] is Verdict.BETTER
    assert verdicts(report, 1)[Measure.TTFT_P95] is Verdict.WORSE


def test_no_samples_are_no_verdict() -> None:
    assert set(compare().verdicts()) == {Verdict.UNDECIDED}


def test_fewer_measures_need_less_correction() -> None:
    samples = side(BASELINE, 100) + side(CANDIDATE, 100, slower=1.08)
    alone = replace(RULES, measures=(Measure.TTFT_P50,))

    among_many = analyse(subject(), samples, RULES).versus[0].finding(Measure.TTFT_P50)
    [by_itself] = analyse(subject(), samples, alone).versus[0].findings

    assert by_itself.effect == among_many.effect
    assert by_itself.effect is not None
    assert by_itself.corrected_p == by_itself.effect.p_value
    assert among_many.corrected_p is not None
    assert among_many.corrected_p > by_itself.corrected_p


def slowed(sample: Sample, *, during: range) -> Sample:
    """Return the same probe, ten times slower during some blocks."""
    factor = 10 if sample.block in during else 1
    return replace(
        sample, time_to_first_token_seconds=factor * (sample.time_to_first_token_seconds or 0)
    )


def test_one_bad_quarter_of_an_hour_is_no_tail() -> None:
    steady = side(BASELINE, 400)
    once = [slowed(sample, during=range(80, 100)) for sample in side(CANDIDATE, 400)]
    often = [slowed(sample, during=range(0, 200, 10)) for sample in side(CANDIDATE, 400)]

    bunched, spread = (
        compare(steady, candidate).versus[0].finding(Measure.TTFT_P95)
        for candidate in (once, often)
    )

    assert (bunched.verdict, bunched.effect) == (Verdict.UNDECIDED, None)
    assert bunched.note.startswith("slow in 1 of ")
    assert spread.verdict is Verdict.WORSE


@pytest.mark.parametrize(
    ("count", "slower", "decided"), [(60, 2.0, False), (40, 1.0, False), (400, 2.0, True)]
)
def test_all_is_decided_once_every_measure_has_a_verdict(
    count: int, slower: float, decided: bool
) -> None:
    """With 60 probes, medians have an interval, but tails don't yet. Unknown prices and missing
    cold starts don't count, because more probes wouldn't help."""
    report = compare(side(BASELINE, count), side(CANDIDATE, count, slower=slower))

    assert report.decided is decided


def test_what_matters_most_is_answered_before_the_tails() -> None:
    report = compare(side(BASELINE, 60), side(CANDIDATE, 60, slower=2.0))

    assert report.answered
    assert not report.decided


def with_outages(samples: list[Sample], random: Random) -> list[Sample]:
    """Let all probes of ten blocks in a row fail, once on average."""
    begins = [block for block in range(100) if random.random() < 0.01]
    return [
        failed(s) if any(begin <= s.block < begin + 10 for begin in begins) else s for s in samples
    ]


def test_rare_outages_of_equal_providers_hardly_ever_decide() -> None:
    """A side without an outage doesn't show that it has none."""
    random, wrong = Random(0), 0
    sides = side(BASELINE, 200), side(CANDIDATE, 200)
    only = Rules(draws=19, measures=(Measure.SUCCESS,))
    for _ in range(100):
        samples = [sample for own in sides for sample in with_outages(own, random)]
        verdict = analyse(subject(), samples, only).versus[0].findings[0].verdict
        wrong += verdict in (Verdict.BETTER, Verdict.WORSE)
    assert wrong <= 8
