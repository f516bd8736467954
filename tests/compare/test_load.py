"""Parallel streams: the results of each level, and when to stop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from exporter.compare.command import compare
from exporter.compare.report.html import to_html
from exporter.compare.report.json_report import to_json
from exporter.compare.report.load_table import load_rows, load_sentences
from exporter.compare.report.load_verdicts import grids
from exporter.compare.report.markdown import to_markdown
from exporter.compare.report.terminal import show
from exporter.compare.sample import Sample
from exporter.compare.samples_file import Recorder
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Objective, Rules
from exporter.compare.statistics.interim_looks import judge
from exporter.compare.statistics.levels import Breaking, Estimate, Level, Load
from exporter.compare.statistics.load import side_at_level
from exporter.compare.statistics.measures import Measure
from exporter.compare.statistics.objectives import breaking
from exporter.compare.statistics.verdict import Verdict
from exporter.compare.subject import Evidence
from tests.compare.making import BASELINE, CANDIDATE, subject

LEVELS = (1, 4, 16)
TTFT_P95 = Objective(Measure.TTFT_P95, 1.0)


def asked(
    target: str, streams: int, *, per_stream: int = 20, first: float = 0.5, tokens: int = 60
) -> list[Sample]:
    """Return a turn in which every stream sends one two-second request after another."""
    random = Random(f"{target}/{streams}")
    samples = []
    for stream in range(streams):
        for number in range(per_stream):
            index = number * streams + stream
            begin = 1_000.0 * streams + 2.0 * number + stream / streams
            time_to_first = first * random.lognormvariate(0, 0.2)
            samples.append(
                Sample(
                    target=target,
                    block=10_000 * streams + index // 2,
                    stratum=f"{streams} streams",
                    streams=streams,
                    started_at=begin,
                    finished_at=begin + 2.0,
                    time_to_first_token_seconds=time_to_first,
                    time_per_output_token_seconds=(2.0 - time_to_first) / (tokens - 1),
                    request_duration_seconds=2.0,
                    input_tokens=2 * tokens,
                    output_tokens=tokens,
                    cost_usd=0.001,
                )
            )
    return samples


@pytest.mark.parametrize("streams", LEVELS)
def test_throughput_is_that_of_the_time_in_which_all_streams_were_busy(streams: int) -> None:
    side = side_at_level("own", streams, asked("own", streams), None, 0)

    assert side.tokens_per_second is not None
    assert side.tokens_per_second.value == pytest.approx(30.0 * streams)
    assert side.usd_per_million_tokens == pytest.approx(1e6 * 0.001 / 180)


@pytest.mark.parametrize(
    ("requests", "known"), [(39, (False, False)), (60, (True, False)), (80, (True, True))]
)
def test_a_tail_needs_more_requests_for_an_interval(
    requests: int, known: tuple[bool, bool]
) -> None:
    side = side_at_level("own", 4, asked("own", 4)[:requests], None, 0)
    times = (side.times[measure] for measure in (Measure.TTFT_P50, Measure.TTFT_P95))
    assert tuple(time.high is not None for time in times) == known


def test_a_failure_takes_time_and_gives_no_tokens() -> None:
    samples = [
        replace(sample, failure="overloaded" if index % 2 else None)
        for index, sample in enumerate(asked("own", 4))
    ]
    side = side_at_level("own", 4, samples, None, 0)

    assert side.tokens_per_second is not None
    assert side.tokens_per_second.value == pytest.approx(60.0, rel=0.05)
    assert side.success.value == 0.5


def test_a_server_with_an_hourly_price_costs_by_its_throughput() -> None:
    side = side_at_level("own", 16, asked("own", 16), 3.6, 0)

    per_second = 16 * 30.0 * 3  # input and output tokens
    assert side.usd_per_million_tokens == pytest.approx(1e6 * 0.001 / per_second)


def by_level(*firsts: float) -> dict[int, Sequence[Sample]]:
    """Return samples with these times to first token at each level."""
    return {
        streams: asked("own", streams, per_stream=max(20, 400 // streams), first=first)
        for streams, first in zip(LEVELS, firsts, strict=True)
    }


def test_an_objective_breaks_between_two_levels() -> None:
    found = breaking("own", TTFT_P95, by_level(0.2, 0.4, 1.6), 0)

    assert (found.holds_at, found.breaks_at) == (4, 16)
    assert found.estimate is not None
    low, value, high = found.estimate.low, found.estimate.value, found.estimate.high
    assert low is not None
    assert high is not None
    assert 4 < low < value < high < 16


@pytest.mark.parametrize(
    ("firsts", "holds", "breaks", "estimate"),
    [((0.2, 0.3, 0.4), 16, None, inf), ((2.0, 2.5, 3.0), None, 1, 0.0)],
)
def test_beyond_the_levels_nothing_is_made_up(
    firsts: tuple[float, float, float], holds: int | None, breaks: int | None, estimate: float
) -> None:
    found = breaking("own", TTFT_P95, by_level(*firsts), 0)

    assert (found.holds_at, found.breaks_at) == (holds, breaks)
    assert found.estimate is not None
    assert found.estimate.value == estimate


def test_few_requests_decide_no_objective() -> None:
    few = {streams: asked("own", streams)[:12] for streams in LEVELS}
    assert breaking("own", TTFT_P95, few, 0) == Breaking("own", TTFT_P95, None, None, None)


def test_a_request_that_fails_misses_every_objective() -> None:
    def failing(share: int) -> dict[int, Sequence[Sample]]:
        return {
            streams: [
                replace(sample, failure="overloaded", time_to_first_token_seconds=None)
                if streams == 16 and number % 100 < share
                else sample
                for number, sample in enumerate(samples)
            ]
            for streams, samples in by_level(0.2, 0.2, 0.2).items()
        }

    none, few, many = (breaking("own", TTFT_P95, failing(share), 0) for share in (0, 4, 20))

    assert (none.holds_at, none.breaks_at) == (16, None)
    assert (few.holds_at, few.breaks_at) == (4, None)  # of all requests 5 % may
    assert (many.holds_at, many.breaks_at) == (4, 16)


def test_a_level_above_one_that_breaks_is_not_held() -> None:
    found = breaking("own", TTFT_P95, by_level(0.2, 1.6, 0.2), 0)
    assert (found.holds_at, found.breaks_at) == (1, 4)


@pytest.mark.parametrize("fails_at", LEVELS)
def test_the_limit_is_not_above_a_level_at_which_requests_fail(fails_at: int) -> None:
    """Only that level fails. Its failures have no time to interpolate with."""
    levels = by_level(0.2, 0.4, 1.6)
    levels[fails_at] = [replace(sample, failure="overloaded") for sample in levels[fails_at]]
    found = breaking("own", TTFT_P95, levels, 0)
    assert found.breaks_at == fails_at
    assert found.estimate is None


def test_the_interval_of_the_limit_ends_at_a_level_at_which_requests_fail() -> None:
    levels = by_level(0.2, 0.73, 0.2)
    levels[16] = [replace(sample, failure="overloaded") for sample in levels[16]]
    found = breaking("own", TTFT_P95, levels, 0)
    assert (found.holds_at, found.breaks_at) == (1, 16)
    assert found.estimate is not None
    assert 1 < found.estimate.value < 4
    assert found.estimate.high == pytest.approx(16)


def hourly(*levels: int) -> Report:
    """The baseline is paid by the hour."""
    samples = [
        replace(sample, cost_usd=0.002 / streams if name == BASELINE else 0.0005)
        for streams in levels
        for name in (BASELINE, CANDIDATE)
        for sample in asked(name, streams)
    ]
    who = subject()
    who = replace(who, baseline=replace(who.baseline, usd_per_hour=3.6))
    return judge(Evidence(who, tuple(samples)), Rules(draws=999))


def test_what_depends_on_the_level_is_judged_at_each_level_alone() -> None:
    found, one = hourly(2, 8), hourly(2)
    cost = found.versus[0].finding(Measure.USD_PER_MILLION_TOKENS)
    assert cost.verdict is Verdict.NOT_MEASURED
    assert cost.note == "depends on the level of load"
    assert found.load is not None
    at_levels = [
        level.versus[0].finding(Measure.USD_PER_MILLION_TOKENS).verdict
        for level in found.load.levels
    ]
    assert at_levels == [Verdict.BETTER, Verdict.WORSE]
    alone = one.versus[0].finding(Measure.USD_PER_MILLION_TOKENS)
    assert alone.verdict is Verdict.BETTER


def test_the_price_of_an_hour_is_as_uncertain_as_the_tokens_of_an_hour() -> None:
    samples = asked("own", 4)
    uneven = [replace(s, output_tokens=20 + 80 * (s.block % 2)) for s in samples]
    side = side_at_level("own", 4, uneven, 3.6, 0)

    assert side.tokens_per_second is not None
    assert side.usd_interval is not None
    low, high = side.usd_interval
    assert low < (side.usd_per_million_tokens or 0) < high
    by_the_token = side_at_level("own", 4, uneven, None, 0)
    assert by_the_token.usd_interval is None


def report() -> Report:
    samples = [
        sample
        for streams in LEVELS
        for name, first in ((BASELINE, 0.2), (CANDIDATE, 0.2 * streams**0.6))
        for sample in asked(name, streams, per_stream=max(20, 200 // streams), first=first)
        if (name, streams) != (BASELINE, 16)
    ]
    limited = [
        replace(sample, failure="rate_limited" if sample.streams == 4 else None)
        if sample.target == BASELINE and sample.block % 50 == 0
        else sample
        for sample in samples
    ]
    rules = Rules(draws=999, objectives=(TTFT_P95,))
    return judge(Evidence(subject(), tuple(limited)), rules)


REPORT = report()


def test_each_level_and_target_is_a_row_in_every_form() -> None:
    rows = [(row.streams, row.target) for row in load_rows(REPORT)]

    assert rows == [(1, BASELINE), (1, CANDIDATE), (4, BASELINE), (4, CANDIDATE), (16, CANDIDATE)]
    assert to_markdown(REPORT).count("\n| 4 | ") == 2
    assert to_html(REPORT).count('class="level s') == 2 * len(rows)
    document = to_json(REPORT)["load"]
    assert isinstance(document, dict)
    assert isinstance(document["levels"], list)
    assert len(document["levels"]) == len(LEVELS)


def test_the_unit_of_an_interval_is_told_once_unless_it_changes() -> None:
    samples = asked("own", 4, first=0.1)
    who = side_at_level("own", 4, samples, None, 0)
    times = {Measure.TTFT_P50: Estimate(0.2, 0.1, 0.3), Measure.TTFT_P95: Estimate(2, 0.9, 2.5)}
    level = Level(4, (replace(who, times=times),), ())
    [row] = load_rows(replace(REPORT, load=Load((level,), ())))

    assert [cell.interval for cell in row.cells[1:3]] == ["100 to 300 ms", "900 ms to 2.5 s"]


def test_the_grid_has_each_measure_of_each_level_at_which_both_were_asked() -> None:
    [grid] = grids(REPORT)

    assert (grid.candidate, grid.streams) == (CANDIDATE, (1, 4))
    assert [name for name, _ in grid.rows] == [
        "TTFT typical",
        "TPOT typical",
        "duration typical",
        "success",
        "USD/M tokens",
    ]
    assert all(len(cells) == 2 for _, cells in grid.rows)
    of_first_token = dict(grid.rows)["TTFT typical"]
    assert [cell.verdict for cell in of_first_token] == [Verdict.SAME, Verdict.WORSE]
    assert to_html(REPORT).count('class="levels"') == 1


def test_what_was_found_under_load_is_told_in_words() -> None:
    words = [*load_sentences(REPORT)]
    text = "\n".join(words)

    both = "own beats hosted in some ways and falls behind in others"
    assert f"With 4 streams: {both}." in words
    assert "With 16 streams" not in text.replace("with 16 streams", "")
    assert "hosted limited the rate with 4 streams" in text
    assert "own certainly meets TTFT p95 of at most 1 s with up to 4 streams" in text
    assert "the limit is at about" in text
    assert all(line in show(REPORT) for line in words)


def test_ci_fails_on_a_regression_at_one_level(tmp_path: Path) -> None:
    """The main table combines the levels, where the lower ones outweigh it."""
    path = tmp_path / "samples.jsonl"
    with Recorder.begin(path, subject()) as recorder:
        for streams in LEVELS:
            slower = 1.3 if streams == 16 else 0.8
            for name, first in ((BASELINE, 0.2), (CANDIDATE, 0.2 * slower)):
                for sample in asked(name, streams, per_stream=160 // streams, first=first):
                    recorder.add(sample)

    options = ["--from-samples", str(path), "--measure", "ttft_typical", "--fail-on", "worse"]
    result = CliRunner().invoke(compare, [*options, "--json", "-"])

    found = json.loads(result.stdout)
    assert [one["verdict"] for one in found["candidates"][0]["findings"]] == ["better"]
    assert [
        level["candidates"][0]["findings"][0]["verdict"] for level in found["load"]["levels"]
    ] == ["better", "better", "worse"]
    assert result.exit_code == 1
    assert found["candidates"][0]["headline"] == (
        "own beats hosted; with 16 streams, own falls behind"
    )


def test_without_token_counts_the_throughput_is_unknown() -> None:
    samples = [
        replace(sample, input_tokens=None, output_tokens=None)
        for name in (BASELINE, CANDIDATE)
        for sample in asked(name, 4)
    ]
    found = judge(Evidence(subject(), tuple(samples)), Rules(draws=199, measures=()))

    assert found.load is not None
    assert [side.tokens_per_second for side in found.load.levels[0].sides] == [None, None]
    assert "<html" in to_html(found)
