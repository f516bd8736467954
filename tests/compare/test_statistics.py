"""The statistics against published figures and other people's code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, mstats

from exporter.compare.statistics import rank
from exporter.compare.statistics.proportions import (
    Share,
    difference_interval,
    difference_p_value,
    two_sided_z,
)
from exporter.compare.statistics.resampling import Resampling, harrell_davis, run_length
from exporter.compare.statistics.sequential import look_at, looks
from exporter.compare.statistics.verdict import Band, Effect, Verdict, decide, holm

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
    drawn = resampling.ratios(np.eye(30)[0], np.full(30, 1.0), blocks) * 30  # how often block 0

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
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert corrected == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})


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


def test_looks_spend_all_of_the_error_and_most_of_it_last() -> None:
    planned = looks(1000, 0.05)

    assert [look.probes for look in planned] == [200, 400, 600, 800, 1000]
    assert sum(look.alpha for look in planned) == pytest.approx(0.05)
    assert [look.alpha for look in planned] == sorted(look.alpha for look in planned)
    assert [look_at(look.probes, 1000, 0.05) for look in planned] == list(planned)


def test_a_look_forced_between_two_spends_no_more_than_is_due() -> None:
    forced = look_at(500, 1000, 0.05)

    assert forced.number == 3
    assert sum(look.alpha for look in looks(1000, 0.05)[:2]) + forced.alpha == pytest.approx(0.0125)


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
