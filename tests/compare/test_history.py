"""From Prometheus samples to probes. tests/integration/test_compare.py uses a real Prometheus."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from exporter.compare.past.history import in_blocks, samples_of
from exporter.compare.past.target_history import TargetHistory
from exporter.compare.past.window import before_and_after, rhythm_between, windows_of
from exporter.compare.sample import Sample

LAST = "inference_last_probe_"
START = 1_790_000_000.0


class Story:
    """The scrapes of one exporter, five seconds apart."""

    def __init__(self) -> None:
        self.standing = TargetHistory("qwen", "short", "exporter:9850", {})
        self._scrapes = 0
        self._totals = {
            ("inference_probes_total", "success"): 0.0,
            ("inference_probes_total", "failure"): 0.0,
            ("inference_tokens_total", "input"): 0.0,
            ("inference_tokens_total", "output"): 0.0,
            ("inference_cost_usd_total", ""): 0.0,
            ("inference_cold_starts_total", "not_ready"): 0.0,
            ("inference_cold_start_duration_seconds_count", ""): 0.0,
            ("inference_cold_start_duration_seconds_sum", ""): 0.0,
        }
        self._gauges = {f"{LAST}timestamp_seconds": 0.0}

    def probe(self, first_token: float = 0.2, *, success: bool = True) -> Story:
        """Add a probe with 10 input and 20 output tokens for 3 USD."""
        self._totals["inference_probes_total", "success" if success else "failure"] += 1
        self._totals["inference_tokens_total", "input"] += 10
        self._totals["inference_tokens_total", "output"] += 20
        self._totals["inference_cost_usd_total", ""] += 3
        self._gauges = {
            f"{LAST}timestamp_seconds": START + 5 * self._scrapes + 1,
            f"{LAST}success": float(success),
            f"{LAST}time_to_first_token_seconds": first_token if success else math.nan,
        }
        return self

    def cold_start(self, seconds: float) -> Story:
        """Add a probe that found the model cold. The gauges keep the warm times."""
        warm = self._gauges
        self.probe()
        time = f"{LAST}time_to_first_token_seconds"
        self._gauges[time] = warm[time]
        self._totals["inference_cold_starts_total", "not_ready"] += 1
        self._totals["inference_cold_start_duration_seconds_count", ""] += 1
        self._totals["inference_cold_start_duration_seconds_sum", ""] += seconds
        return self

    def restart(self) -> Story:
        self._totals = dict.fromkeys(self._totals, 0.0)
        return self

    def scrape(self) -> Story:
        when = START + 5 * self._scrapes
        for key, value in self._totals.items():
            self.standing.series[key][when] = value
        for name, value in self._gauges.items():
            self.standing.series[name, ""][when] = value
        self._scrapes += 1
        return self

    def samples(self) -> list[Sample]:
        return list(samples_of(self.standing))


def test_each_probe_is_one_sample_however_often_it_is_scraped() -> None:
    samples = Story().probe(0.2).scrape().scrape().scrape().probe(0.3).scrape().samples()

    assert [sample.time_to_first_token_seconds for sample in samples] == [0.2, 0.3]
    assert [sample.cost_usd for sample in samples] == [None, 3]
    assert (samples[1].input_tokens, samples[1].output_tokens) == (10, 20)


def test_before_the_first_probe_there_is_no_sample() -> None:
    assert Story().scrape().scrape().samples() == []
    assert len(Story().scrape().probe().scrape().samples()) == 1


def test_a_failed_probe_has_no_time() -> None:
    [_, failed] = Story().probe().scrape().probe(success=False).scrape().samples()

    assert failed.failure == "failed"
    assert failed.time_to_first_token_seconds is None
    assert failed.cost_usd == 3


def test_what_several_probes_cost_is_not_put_down_to_one() -> None:
    [_, latest] = Story().probe().scrape().probe().probe().scrape().samples()

    assert latest.cost_usd is None


def test_counters_restart_with_the_exporter() -> None:
    story = Story().probe().probe().scrape().restart().probe().scrape()

    assert [sample.cost_usd for sample in story.samples()] == [None, 3]


def test_a_cold_start_is_what_its_histogram_grew_by_and_no_warm_sample() -> None:
    samples = Story().probe(0.2).scrape().cold_start(42.5).scrape().probe(0.3).scrape().samples()

    assert [sample.cold_start_seconds for sample in samples if sample.cold] == [42.5]
    warm = [sample.time_to_first_token_seconds for sample in samples if not sample.cold]
    assert warm == [0.2, 0.3]


def test_a_warm_probe_right_behind_a_cold_one_is_a_sample() -> None:
    samples = Story().probe(0.2).scrape().cold_start(42.5).probe(0.3).scrape().samples()

    assert [sample.cold_start_seconds for sample in samples if sample.cold] == [42.5]
    assert samples[1].time_to_first_token_seconds == 0.3


def test_blocks_are_spans_that_hold_two_probes_of_the_rarer_side() -> None:
    often = [Sample(target="a", block=0, finished_at=START + 10 * i) for i in range(60)]
    rarely = [Sample(target="b", block=0, finished_at=START + 60 * i) for i in range(10)]

    samples = list(in_blocks({"a": often, "b": rarely}, [""]))

    assert {sample.block for sample in samples} == set(range(5))
    assert sum(sample.target == "b" and sample.block == 2 for sample in samples) == 2


def test_probes_of_different_names_are_in_different_blocks() -> None:
    short = [
        Sample(target="a", block=0, stratum="short", finished_at=START + 10 * i) for i in range(40)
    ]
    long = [replace(sample, stratum="long") for sample in short]

    samples = list(in_blocks({"a": [*short, *long]}, ["long", "short"]))

    blocks = {(sample.block, sample.stratum) for sample in samples}
    assert len(blocks) == len({block for block, _ in blocks})


def test_before_and_after_are_whole_days_if_there_is_more_than_one() -> None:
    moment = datetime.fromtimestamp(time.time() - 2.7 * 86_400, UTC).isoformat()

    before, after = before_and_after("qwen", moment, 30 * 86_400)
    short, _ = before_and_after("qwen", moment, 3 * 3600)

    assert before.end - before.begin == after.end - after.begin == 2 * 86_400
    assert before.end == after.begin
    assert short.end - short.begin == 3 * 3600


@pytest.mark.parametrize(
    ("spans", "told"),
    [
        (("2026-11-09..2026-11-16", "2026-11-16..2026-11-23"), "same hours of the day."),
        (("2026-11-09..2026-11-12", "2026-11-12..2026-11-15"), "weekly rhythm"),
        (
            ("2026-11-09T03:00..2026-11-09T06:00", "2026-11-16T03:00..2026-11-16T06:00"),
            "They cover the same hours of the day.",
        ),
        (
            ("2026-11-09T03:00..2026-11-09T06:00", "2026-11-09T06:00..2026-11-09T09:00"),
            "daily rhythm",
        ),
        (("2026-11-09..2026-11-10", "2026-11-09..2026-11-10T12:00"), "daily rhythm"),
    ],
)
def test_the_rhythm_that_is_in_a_difference_is_told(spans: tuple[str, ...], told: str) -> None:
    assert told in rhythm_between(windows_of("qwen", spans))


def test_a_target_is_known_once_it_was_probed() -> None:
    """The exporter exports the time of the latest probe as 0 before the first one."""
    assert not Story().scrape().standing.was_probed
    assert Story().scrape().probe().scrape().standing.was_probed
