"""Stored history: an hour of single probes, a day of counts, both limited."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.slo import LatencyObjective, Slo, Tally
from exporter.result import FailureReason
from exporter.site.day import Day
from exporter.site.past import HISTORY_LENGTH, PastProbe, PastProbes, PeriodSummary, summarize

START = 1_900_000_800.0
HOUR = 3600.0


def probe(at: float, seconds: float | None = 0.3, *, cold: bool = False) -> PastProbe:
    """Return a past probe. Without a time, it is a failure."""
    failed = None if seconds else FailureReason.CONNECT
    return PastProbe(at, seconds, 50.0 if seconds else None, failed, cold, seconds)


def test_a_sample_comes_back_as_it_was() -> None:
    told = [
        PastProbe(START, 0.3, None, None, True, 1.5),
        PastProbe(START + 1, None, None, FailureReason.INTERNAL),
    ]
    past = PastProbes()
    for each in told:
        past = past.plus(each)
    assert [*past] == told
    assert next(iter(past)).request_duration_seconds == 1.5


def test_an_hour_is_kept_and_never_fewer_than_the_history() -> None:
    often, rarely = PastProbes(), PastProbes()
    for number in range(1000):
        often = often.plus(probe(START + 15 * number))
        rarely = rarely.plus(probe(START + 900 * number))
    assert len(often) == 241
    assert len(rarely) == HISTORY_LENGTH
    assert rarely.last_hour().summary().probes == 5
    assert rarely.latest(2)[0].finished_at == START + 900 * 998


def test_so_many_probes_are_bounded_however_often_they_come() -> None:
    past = PastProbes()
    for number in range(2000):
        past = past.plus(probe(START + number))
    assert len(past) == 720


def test_a_window_counts_all_and_times_the_warm_successes() -> None:
    past = [probe(START, None), probe(START, 9.0, cold=True), probe(START, 0.2)]
    told = summarize([*past, probe(START, 0.4)])
    assert (told.probes, told.successes) == (4, 3)
    assert told.p50 == pytest.approx(0.3)
    assert told.p95 == pytest.approx(0.39)
    assert summarize([]).success_ratio is None


def last_hour(past: PastProbes) -> list[PastProbe]:
    """Return the probes of the hour up to the latest one."""
    newest = past.latest(1)[0].finished_at
    return [probe for probe in past if probe.finished_at >= newest - HOUR]


def test_the_summary_of_an_hour_is_the_one_of_its_probes() -> None:
    rng, past = random.Random(3), PastProbes()
    assert past.last_hour().summary() == summarize(())
    for number in range(400):
        first, whole = (rng.choice([None, rng.random()]) for _ in range(2))
        failed = rng.choice([None, None, FailureReason.EMPTY])
        at = START + 20 * number
        past = past.plus(PastProbe(at, first, None, failed, rng.random() < 0.2, whole))
        assert past.last_hour().summary() == summarize(last_hour(past))


SECONDS = st.none() | st.sampled_from((0.0, 0.5, 2.0, 30.0)) | st.floats(0, 60)
PROBES = st.builds(
    PastProbe,
    finished_at=st.floats(START - 2 * HOUR, START + 2 * HOUR),
    time_to_first_token_seconds=SECONDS,
    output_tokens_per_second=st.none(),
    failure_reason=st.none() | st.sampled_from(FailureReason),
    cold=st.booleans(),
    request_duration_seconds=SECONDS,
)
OBJECTIVES = tuple(
    Slo(
        success_ratio=0.99,
        time_to_first_token=LatencyObjective(threshold=0.5, ratio=0.95),
        request_duration=LatencyObjective(threshold=2.0, ratio=0.9),
    ).objectives()
)


@given(st.lists(PROBES, min_size=1, max_size=80))
def test_the_tallies_of_an_hour_are_those_of_its_probes(probes: list[PastProbe]) -> None:
    past = PastProbes()
    for each in probes:
        past = past.plus(each)
    hour = last_hour(past)
    assert past.last_hour().tallies(OBJECTIVES) == tuple(
        Tally.of(it, (it.met_by(each, usable=not each.cold) for each in hour)) for it in OBJECTIVES
    )


def test_without_probes_nothing_is_tallied() -> None:
    tallies = PastProbes().last_hour().tallies(OBJECTIVES)
    assert tallies == tuple(Tally(objective) for objective in OBJECTIVES)


def test_an_answer_in_one_piece_is_timed_to_its_end() -> None:
    whole = PastProbe(START, None, None, None, False, 0.7)
    assert summarize([whole]).p50 == 0.7


def test_a_day_tells_quantiles_to_three_percent_and_forgets() -> None:
    rng = random.Random(7)
    times = [rng.lognormvariate(-1, 0.5) for _ in range(2 * 1440)]
    day, told = Day(), PeriodSummary()
    for number, seconds in enumerate(times):
        told = day.take(probe(START + 60 * number, seconds))
    last = times[-told.probes :]
    assert 23 * 60 < told.probes <= 24 * 60
    cuts = statistics.quantiles(last, n=100)
    assert told.p50 == pytest.approx(cuts[49], rel=0.03)
    assert told.p95 == pytest.approx(cuts[94], rel=0.03)


def test_a_clock_that_is_set_back_does_no_harm() -> None:
    day = Day()
    day.take(probe(START))
    assert day.take(probe(START - 10 * HOUR)).probes == 1
    told = day.take(probe(START - 9 * HOUR, None))
    assert (told.probes, told.successes) == (2, 1)
    assert told.p50 == pytest.approx(0.3, rel=0.03)
