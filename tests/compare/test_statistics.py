"""The statistics, compared with published results and with independent code."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, mstats, norm

from exporter.compare.sampling.load import LoadLimits
from exporter.compare.statistics import rank
from exporter.compare.statistics.autocorrelation import memory
from exporter.compare.statistics.findings import Objective, Rules
from exporter.compare.statistics.measures import Measure
from exporter.compare.statistics.pairs import Pairs, Side
from exporter.compare.statistics.power import foreseen, foreseen_of_levels
from exporter.compare.statistics.proportions import (
    Share,
    difference_interval,
    difference_p_value,
    two_sided_z,
)
from exporter.compare.statistics.resampling import Resampling, harrell_davis, run_length
from exporter.compare.statistics.sequential import look_at, looks
from exporter.compare.statistics.typical import typical_ratio
from exporter.compare.statistics.verdict import Band, Effect, Verdict, corrected, decide

Z95 = two_sided_z(0.95)


def test_the_score_interval_is_wilsons() -> None:
    assert Share(81, 263).score_interval(Z95) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize(
    ("first", "second", "published"),
    [
        (Share(56, 70), Share(48, 80), (0.0524, 0.3339)),
        (Share(9, 10), Share(3, 10), (0.1705, 0.8090)),
        (Share(5, 56), Share(0, 29), (-0.0381, 0.1926)),
        (Share(10, 10), Share(0, 20), (0.6791, 1.0)),
    ],
)
def test_the_interval_of_a_difference_is_newcombes(
    first: Share, second: Share, published: tuple[float, float]
) -> None:
    assert difference_interval(second, first, Z95) == pytest.approx(published, abs=5e-5)


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0.5, 0.999))
def test_the_p_value_and_the_interval_agree(hits: int, others: int, confidence: float) -> None:
    baseline, candidate = Share(hits, 50), Share(others, 50)
    low, high = difference_interval(baseline, candidate, two_sided_z(confidence))
    p_value = difference_p_value(baseline, candidate)

    if abs(p_value - (1 - confidence)) > 1e-6:
        assert (low <= 0 <= high) == (p_value > 1 - confidence)


@given(st.lists(st.floats(0.001, 1000), min_size=2, max_size=60), st.sampled_from([0.5, 0.9, 0.95]))
def test_quantiles_are_harrells_and_davis(values: list[float], share: float) -> None:
    theirs = mstats.hdquantiles(values, [share])[0]
    assert harrell_davis(np.array(values), share) == pytest.approx(theirs, rel=1e-6)


def test_a_draw_has_the_quantile_of_the_blocks_that_it_drew() -> None:
    values = np.random.default_rng(1).lognormal(size=30)
    blocks = np.arange(30) // 2
    resampling = Resampling([""] * 15, run_length=1, draws=50, seed=3)
    drawn = resampling.ratios(np.eye(30)[0], np.full(30, 1.0), blocks) * 30  # draws of block 0

    quantiles = resampling.quantiles(values, blocks, 0.5)

    assert sorted(set(np.round(drawn))) == list(range(round(max(drawn)) + 1))
    assert len(set(quantiles)) == 50
    assert quantiles.mean() == pytest.approx(harrell_davis(values, 0.5), rel=0.1)


def test_the_mix_of_strata_is_the_same_in_every_draw() -> None:
    strata = ["short", "medium", "long"] * 10
    is_long = np.array([stratum == "long" for stratum in strata], float)

    for run in (1, 4):
        resampling = Resampling(strata, run_length=run, draws=99, seed=0)
        shares = resampling.ratios(is_long, np.ones(30), np.arange(30))
        assert shares == pytest.approx(np.full(99, 1 / 3))


def test_runs_end_where_a_level_of_load_does() -> None:
    levels = [1] * 20 + [4] * 10
    is_higher = np.array([level == 4 for level in levels], float)

    resampling = Resampling([""] * 30, run_length=5, draws=99, seed=0, levels=levels)

    shares = resampling.ratios(is_higher, np.ones(30), np.arange(30))
    assert shares == pytest.approx(np.full(99, 1 / 3))


@pytest.mark.parametrize("run", [4, 7, 12, 30])
def test_a_draw_is_as_large_as_what_it_is_drawn_from(run: int) -> None:
    """Longer runs must not shift the mix of the levels."""
    levels = [1] * 20 + [4] * 11
    resampling = Resampling([""] * 31, run, draws=99, seed=0, levels=levels)

    shares = resampling.ratios(np.array(levels, float), np.ones(31), np.arange(31))
    assert shares == pytest.approx(np.full(99, np.mean(levels)))


@pytest.mark.parametrize("run", [1, 6, 20])
def test_draws_are_as_far_apart_as_independent_blocks_are_however_long_the_runs(run: int) -> None:
    """Without a correction, runs of 20 of 40 blocks would leave 0.7 of the spread."""
    random, levels = (
        np.random.default_rng(5),
        [streams for streams in (1, 4, 16) for _ in range(40)],
    )
    ones, blocks = np.ones(120), np.arange(120)
    spreads = []
    for seed in range(60):
        values = np.exp(random.normal(0, 0.1, 120))
        resampling = Resampling([""] * 120, run, draws=200, seed=seed, levels=levels)
        spreads.append(np.log(resampling.ratios(values, ones, blocks)).std())

    assert np.mean(spreads) == pytest.approx(0.1 / math.sqrt(120), rel=0.1)


@pytest.mark.parametrize("size", [2, 3])
def test_a_run_never_covers_a_whole_level(size: int) -> None:
    strata = [str(number) for number in range(size)] * 12
    levels = [number // size for number in range(len(strata))]
    resampling = Resampling(strata, run_length=2, draws=50, seed=1, levels=levels)

    draws = resampling.ratios(
        np.arange(1.0, len(strata) + 1), np.ones(len(strata)), np.arange(len(strata))
    )

    assert np.isfinite(draws).all()


def test_runs_are_as_long_as_the_memory() -> None:
    random = np.random.default_rng(7)
    without = [run_length(list(random.pareto(1.5, 100))) for _ in range(200)]
    slow_hours = [
        run_length(list(random.lognormal(size=100) + 9 * (np.arange(100) // 10 % 3 == when)))
        for when in (0, 1, 2)
    ]

    assert np.mean([length == 1 for length in without]) > 0.7
    assert np.mean(without) < 2
    assert min(slow_hours) >= 5


@pytest.mark.parametrize("series", [[], [1.0] * 50, [1.0, 2.0], list(range(12))])
def test_a_run_fits_into_what_there_is(series: list[float]) -> None:
    assert 1 <= run_length(series) <= max(1, len(series) // 3)


def test_p_values_are_corrected_as_holm_did() -> None:
    p_values = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}
    found = corrected(p_values, dict.fromkeys(p_values, 1.0), {})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})


@pytest.mark.parametrize(
    ("effect", "corrected_p", "verdict"),
    [
        (Effect(1.00, 0.95, 1.05, 0.9), 1.0, Verdict.SAME),
        (Effect(0.95, 0.92, 0.98, 0.001), 0.01, Verdict.SAME),
        (Effect(0.80, 0.70, 0.95, 0.001), 0.01, Verdict.BETTER),
        (Effect(1.30, 1.05, 1.60, 0.001), 0.01, Verdict.WORSE),
        (Effect(1.30, 1.05, 1.60, 0.020), 0.20, Verdict.UNDECIDED),
        (Effect(1.00, 0.80, 1.20, 0.9), 1.0, Verdict.UNDECIDED),
    ],
)
def test_the_verdict_follows_from_interval_margin_and_corrected_p(
    effect: Effect, corrected_p: float, verdict: Verdict
) -> None:
    mirrored = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
    band = Band.of_ratio(0.1)

    assert decide(effect, band, corrected_p, 0.05, higher_is_better=False) is verdict
    other = decide(effect, band, corrected_p, 0.05, higher_is_better=True)
    assert other is mirrored.get(verdict, verdict)


def test_looks_err_together_as_often_as_was_agreed_on_and_spend_most_of_it_last() -> None:
    planned = looks(1000, 0.05)
    walks = np.cumsum(np.random.default_rng(3).normal(size=(100_000, len(planned))), axis=1)
    deviations = np.sqrt([look.number for look in planned])
    p_values = 2 * norm.sf(abs(walks) / deviations)

    wrong = (p_values < [look.alpha for look in planned]).any(axis=1).mean()

    assert [look.probes for look in planned] == list(range(100, 1001, 100))
    assert wrong == pytest.approx(0.05, abs=0.002)
    assert sum(look.alpha for look in planned) > 0.09  # Bonferroni would allow 0.05
    assert [look.alpha for look in planned] == sorted(look.alpha for look in planned)
    assert [look_at(look.probes, 1000, 0.05) for look in planned] == list(planned)


def test_a_look_forced_between_two_spends_no_more_than_is_due() -> None:
    forced = look_at(550, 1000, 0.05)
    alphas = [look.alpha for look in looks(1000, 0.05)]

    assert forced.number == 6
    assert 0.9 * alphas[4] < forced.alpha < alphas[5]
    assert look_at(1100, 1000, 0.05).alpha == pytest.approx(alphas[-1])


@pytest.mark.parametrize("number", [1, 4, 10])
def test_a_p_value_counts_for_less_among_several_looks(number: int) -> None:
    look = looks(1000, 0.05)[number - 1]

    assert look.overall(look.alpha) == pytest.approx(0.05, rel=0.01)
    assert look.overall(1.0) == 1.0
    assert look.overall(1e-12) > 1e-12


def test_a_question_that_waits_is_answered_only_after_the_one_before_it() -> None:
    weights = {"first": 0.9, "waits": 0.05, "other": 0.1}

    found = corrected({"first": 0.2, "waits": 1e-9, "other": 1e-3}, weights, {"waits": "first"})

    assert found == pytest.approx({"first": 0.2, "waits": 0.2, "other": 0.01})


def test_what_matters_first_is_hardly_corrected() -> None:
    weights = {"first": 0.9, "other": 0.05, "another": 0.05}

    found = corrected({"first": 0.04, "other": 0.02, "another": 0.5}, weights, {})

    assert found == pytest.approx({"first": 0.04 / 0.9, "other": 0.04 / 0.9, "another": 0.5})


def sides(count: int, seed: int, ratio: float = 1.0) -> tuple[Side, Side]:
    random = np.random.default_rng(seed)
    blocks, strata = np.arange(count) // 2, np.zeros(count, np.intp)
    before, after = random.normal(size=(2, count))
    return Side(before, blocks, strata), Side(after + math.log(ratio), blocks, strata)


def test_the_typical_ratio_is_not_far_from_hodges_and_lehmanns() -> None:
    before, after = sides(200, 5, ratio=2.0)
    median = float(np.exp(np.median(np.subtract.outer(after.logs, before.logs))))

    effect = typical_ratio(Pairs(before, after, 100), 0.95)

    assert effect.low < median < effect.high
    assert effect.value == pytest.approx(median, rel=0.1)
    assert effect.p_value < 0.001


def test_few_blocks_have_hodges_and_lehmanns_ratio_itself() -> None:
    """Few blocks can't show whether the sides differ by more than a factor."""
    before, after = sides(100, 4, ratio=2.0)
    median = float(np.exp(np.median(np.subtract.outer(after.logs, before.logs))))

    assert typical_ratio(Pairs(before, after, 50), 0.95).value == pytest.approx(median)


@pytest.mark.parametrize("blocks", [20, 80])
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), factor=st.floats(0.2, 5.0))
def test_the_typical_ratio_of_scaled_values_is_scaled(
    blocks: int, seed: int, factor: float
) -> None:
    before, after = sides(2 * blocks, seed)
    scaled = replace(after, logs=after.logs + math.log(factor))

    effect = typical_ratio(Pairs(before, after, blocks), 0.95)
    other = typical_ratio(Pairs(before, scaled, blocks), 0.95)

    figures = effect.value, effect.low, effect.high
    assert (other.value, other.low, other.high) == pytest.approx(
        tuple(factor * figure for figure in figures), rel=1e-3
    )


@pytest.mark.parametrize("blocks", [20, 80])
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_the_typical_ratio_of_swapped_sides_is_the_inverse(blocks: int, seed: int) -> None:
    before, after = sides(2 * blocks, seed)

    effect = typical_ratio(Pairs(before, after, blocks), 0.95)
    other = typical_ratio(Pairs(after, before, blocks), 0.95)

    assert other.value == pytest.approx(1 / effect.value, rel=1e-3)
    assert other.low == pytest.approx(1 / effect.high, rel=1e-3)
    assert other.p_value == pytest.approx(effect.p_value, rel=0.01)


def test_a_side_that_fails_on_long_prompts_is_not_the_faster_one_for_it() -> None:
    """Blocks are as slow as their prompt is long. The candidate answers only the short half."""
    before, after = sides(200, 6)
    length = np.repeat(np.arange(100) % 2 * 5.0, 2)
    slow = replace(before, logs=before.logs + length)
    answered = replace(after, logs=after.logs + length).within(np.arange(100) % 2 == 0)

    effect = typical_ratio(Pairs(slow, answered, 100), 0.95)

    assert effect.low < 1 < effect.high


def test_of_two_groups_of_replicas_the_ratio_is_found_within_them() -> None:
    """The median of all ratios sees only that 3 of 10 pairs are far apart."""
    random = np.random.default_rng(8)
    before, after = (
        replace(side, logs=0.1 * side.logs + (random.random(200) < 0.3)) for side in sides(200, 8)
    )
    scaled = replace(after, logs=after.logs + math.log(1.1))

    effect = typical_ratio(Pairs(before, scaled, 100), 0.95)

    assert effect.low > 1.05
    assert effect.high < 1.15


def test_sides_that_differ_by_more_than_a_factor_have_the_median_of_all_ratios() -> None:
    """A slow replica serves a tenth of the baseline's requests, and half of the candidate's."""
    random = np.random.default_rng(9)
    (before, after), shares = sides(400, 9), (0.1, 0.6)
    before, after = (
        replace(side, logs=0.1 * side.logs + (random.random(400) < share))
        for side, share in zip((before, after), shares, strict=True)
    )

    effect = typical_ratio(Pairs(before, after, 200), 0.95)

    assert effect.value == pytest.approx(
        float(np.exp(np.median(np.subtract.outer(after.logs, before.logs))))
    )
    assert effect.low > 1


def test_a_memory_that_shows_elsewhere_widens_the_interval() -> None:
    random = np.random.default_rng(3)
    blocks = np.arange(100).repeat(2)
    before, after = (
        Side(random.normal(size=200), blocks, np.zeros(200, np.intp)) for _ in range(2)
    )
    pairs = Pairs(before, after, 100)

    alone, remembering, most = (typical_ratio(pairs, 0.95, runs) for runs in (1, 10, 99))

    assert remembering.high / remembering.low > alone.high / alone.low
    assert (most.low, most.high) == (
        typical_ratio(pairs, 0.95, 16).low,
        typical_ratio(pairs, 0.95, 16).high,
    )


def test_equal_values_are_the_same_without_doubt() -> None:
    side = Side(np.ones(40), np.arange(40) // 2, np.zeros(40, np.intp))
    assert typical_ratio(Pairs(side, side, 20), 0.95) == Effect(1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(("slow_blocks", "expected"), [(0, 1), (15, 16)])
def test_a_slow_quarter_of_an_hour_is_a_memory(slow_blocks: int, expected: int) -> None:
    series = np.random.default_rng(10).normal(size=100)
    series[40 : 40 + slow_blocks] += 3
    assert memory(series - series.mean()) == expected


@given(
    st.lists(st.floats(0.01, 100), min_size=1, max_size=9, unique=True),
    st.lists(st.floats(0.01, 100), min_size=1, max_size=9, unique=True),
)
def test_cold_starts_are_tested_as_mann_and_whitney_did(
    baseline: list[float], candidate: list[float]
) -> None:
    assume(not set(baseline) & set(candidate))
    effect = rank.ratio(baseline, candidate, 0.95)

    theirs = mannwhitneyu(baseline, candidate, method="exact").pvalue
    assert effect.p_value == pytest.approx(theirs)
    assert effect.low <= effect.value <= effect.high
    if abs(effect.p_value - 0.05) > 1e-9:
        assert (effect.low < 1 < effect.high) == (effect.p_value > 0.05)


def test_many_cold_starts_have_the_interval_of_the_exact_test() -> None:
    random = np.random.default_rng(5)
    before, after = random.lognormal(size=60), 1.4 * random.lognormal(size=60)

    effect = rank.ratio(list(before), list(after), 0.95)

    exact = mannwhitneyu(before, after, method="exact").pvalue
    assert effect.p_value == pytest.approx(exact, rel=0.05)
    for bound in (effect.low, effect.high):
        assert mannwhitneyu(bound * before, after).pvalue == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize("few", [1, 2, 3])
def test_too_few_cold_starts_bound_nothing(few: int) -> None:
    effect = rank.ratio([1.0] * few, [9.0] * few, 0.95)

    assert (effect.low, effect.high) == (0, math.inf)


def test_what_cannot_be_told_is_said_before_it_costs_anything() -> None:
    rules = Rules()

    assert [*foreseen(rules, 200, 6, [])] == []
    assert [*foreseen(rules, 100, 0, ["own"])] == [
        "100 probes are too few for TTFT p95, TPOT p95, duration p95: 160 of each are needed.",
        (
            "100 probes can tell success ratios apart, but not that they are the same within"
            " 2 points: that takes 192 without a failure."
        ),
        "Cost will not be measured: set the price of own.",
        "Cold starts will not be measured: --cold-idle asks for them.",
    ]
    alone = replace(rules, measures=(Measure.TTFT_P50,))
    assert [*foreseen(alone, 20, 4, ["own"])] == [
        "20 probes are too few for TTFT p50: 40 of each are needed."
    ]
    assert [*foreseen(rules, 200, 4, [])] == ["4 cold starts are too few: 6 of each are needed."]


def test_each_level_says_what_its_requests_cannot_show() -> None:
    rules = Rules(objectives=(Objective(Measure.TTFT_P95, 1.0), Objective(Measure.TTFT_P50, 1.0)))
    told = [*foreseen_of_levels(rules, {1: 20, 4: 60, 16: 80})]

    assert told == [
        (
            "With 1 stream, the requests of each side are too few for a verdict of that level: 40"
            " are needed."
        ),
        (
            "With 1 and 4 streams, the requests of each side are too few to show that the SLO for"
            " TTFT p95 is met: 73 are needed, without a failure."
        ),
        (
            "With 1 stream, the requests of each side are too few to show that the SLO for TTFT p50"
            " is met: 40 are needed, without a failure."
        ),
    ]


def test_what_is_allowed_is_shared_out_among_the_levels() -> None:
    limits = LoadLimits(levels=(1, 4, 16), probes=40, max_requests=150)
    assert limits.per_side(2) == {1: 40, 4: 35, 16: 0}
    assert sum(limits.per_side(2).values()) == limits.requests(2) // 2
