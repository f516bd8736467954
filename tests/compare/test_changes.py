"""When a level changed, and comparisons of a target with its own past."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from exporter.compare.errors import PartiesError
from exporter.compare.past.history import in_blocks
from exporter.compare.past.window import before_and_after, moment_of, windows_of
from exporter.compare.report.break_even_text import change_sentences
from exporter.compare.report.html import to_html
from exporter.compare.sample import Sample
from exporter.compare.statistics.changes import changes
from exporter.compare.statistics.findings import Rules
from exporter.compare.statistics.interim_looks import judge
from exporter.compare.subject import Evidence
from tests.compare.making import BASELINE, CANDIDATE, side, subject

DAY = 86_400.0


def series(*levels: float, seed: int = 0) -> tuple[list[float], list[float]]:
    """Return a hundred probes at each level, one minute apart."""
    random = np.random.default_rng(seed)
    values = [float(level * random.lognormal(0, 0.3)) for level in levels for _ in range(100)]
    return [60.0 * number for number in range(len(values))], values


def test_a_steady_series_has_no_change() -> None:
    found = [changes(*series(1.0, 1.0, seed=seed), seed) for seed in range(12)]
    assert sum(map(len, found)) <= 1


def test_a_change_is_found_with_its_time_and_both_levels() -> None:
    [change] = changes(*series(1.0, 1.5), 0)

    assert change.earliest <= 100 * 60 <= change.latest
    assert change.earliest <= change.at <= change.latest
    assert change.latest - change.earliest < 40 * 60
    assert change.before == pytest.approx(1.0, rel=0.1)
    assert change.after == pytest.approx(1.5, rel=0.1)


def test_several_changes_are_found_in_the_order_of_time() -> None:
    found = changes(*series(1.0, 2.0, 1.0), 0)

    assert [change.after > change.before for change in found] == [True, False]
    assert [change.at for change in found] == sorted(change.at for change in found)


@pytest.mark.parametrize("count", [0, 1, 29])
def test_few_probes_have_no_change(count: int) -> None:
    times, values = series(1.0)
    assert changes(times[:count], values[:count], 0) == ()


def test_a_report_says_when_a_level_changed() -> None:
    slow = [
        replace(sample, time_to_first_token_seconds=2 * (sample.time_to_first_token_seconds or 0))
        if index >= 100
        else sample
        for index, sample in enumerate(side(CANDIDATE, 200))
    ]
    report = judge(Evidence(subject(), (*side(BASELINE, 200), *slow)), Rules(draws=999))

    [sentence] = change_sentences(report)
    assert sentence.startswith("The time to first token of own went from 3")
    assert sentence in to_html(report)
    assert 'class="change s1"' in to_html(report)


def test_before_and_after_a_date_are_equally_long() -> None:
    moment = time.time() - 2 * DAY
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))

    before, after = before_and_after("qwen", text, 7 * DAY)

    assert before.end == after.begin == pytest.approx(moment, abs=1)
    assert before.end - before.begin == pytest.approx(after.end - after.begin)
    assert before.target == after.target == "qwen"
    assert before.name != after.name


def test_windows_are_named_by_their_dates() -> None:
    windows = windows_of("qwen", ["2026-11-10..2026-11-17", "2026-11-17T14:30..2026-11-18"])

    assert [window.name for window in windows] == [
        "qwen from 2026-11-10 to 2026-11-17",
        "qwen from 2026-11-17 14:30 to 2026-11-18",
    ]
    assert moment_of("2026-11-17T02:00+02:00") == moment_of("2026-11-17")


@pytest.mark.parametrize(
    "texts", [["last week"], ["2026-11-17"], ["2026-11-18..2026-11-17"], ["2026-11-10..soon"]]
)
def test_what_is_no_window_is_told(texts: list[str]) -> None:
    with pytest.raises(PartiesError, match="2026-11-17"):
        windows_of("qwen", texts)


def test_the_future_has_nothing_to_compare() -> None:
    with pytest.raises(PartiesError, match="not in the past"):
        before_and_after("qwen", "2999-01-01", DAY)


def test_the_same_hours_of_the_day_share_their_blocks() -> None:
    hours = [float(hour * 3600) for hour in range(24)]
    sides = {
        name: [Sample(target=name, block=0, finished_at=begin + hour) for hour in hours]
        for name, begin in (("before", 10 * DAY), ("after", 17 * DAY))
    }

    samples = list(in_blocks(sides, [""], {"before": 10 * DAY, "after": 17 * DAY}))

    blocks = {name: [sample.block for sample in samples if sample.target == name] for name in sides}
    assert blocks["before"] == blocks["after"]


def test_equal_values_are_not_in_order() -> None:
    random = np.random.default_rng(0)
    times = [60.0 * number for number in range(200)]
    found = [changes(times, [*random.choice([0.10, 0.11], 200)], 0) for _ in range(12)]
    assert sum(map(len, found)) <= 1
