"""Stored history: an hour of single probes, a day of counts, both limited."""

from __future__ import annotations

import random
import statistics

import pytest

from exporter.result import FailureReason
from exporter.site.past import HISTORY_LENGTH, Day, PastProbe, PastProbes, PeriodSummary, summarize

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
    assert len(rarely.last_hour()) == 5
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


def test_the_summary_of_an_hour_is_the_one_of_its_probes() -> None:
    rng, past = random.Random(3), PastProbes()
    assert past.summary_of_hour() == summarize(())
    for number in range(400):
        first, whole = (rng.choice([None, rng.random()]) for _ in range(2))
        failed = rng.choice([None, None, FailureReason.EMPTY])
        at = START + 20 * number
        past = past.plus(PastProbe(at, first, None, failed, rng.random() < 0.2, whole))
        assert past.summary_of_hour() == summarize(past.last_hour())


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
