"""The cost of a month."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.compare.report.break_even_text import worth_sentences
from exporter.compare.report.html import to_html
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Rules, Traffic
from exporter.compare.statistics.interim_looks import judge
from exporter.compare.subject import Evidence, Party
from tests.compare.making import BASELINE, CANDIDATE, failed, side, subject
from tests.compare.test_load import TTFT_P95, asked

PER_TOKEN = Party(name=CANDIDATE, usd_per_million_input=1.0, usd_per_million_output=4.0)
BY_THE_HOUR = Party(name=BASELINE, usd_per_hour=2.0)
MONTH_HOURS = 24 * 365.25 / 12


def report(traffic: Traffic, *, load: bool = False) -> Report:
    who = replace(subject(), baseline=BY_THE_HOUR, candidates=(PER_TOKEN,))
    samples = [
        sample
        for name in (BASELINE, CANDIDATE)
        for sample in (asked(name, 4) if load else side(name, 60))
    ]
    return judge(Evidence(who, tuple(samples)), Rules(draws=199, measures=(), traffic=traffic))


def test_tokens_are_paid_by_the_month() -> None:
    _, worth = report(Traffic(10_000, (900, 250))).worth

    per_request = (900 * 1.0 + 250 * 4.0) / 1e6
    assert worth.usd_per_month == pytest.approx(10_000 * per_request * 365.25 / 12)


def test_where_no_tokens_are_stated_those_of_the_prompts_are_meant() -> None:
    _, worth = report(Traffic(10_000)).worth
    assert (worth.input_tokens, worth.output_tokens) == (40, 60)


def test_a_side_that_fails_on_long_prompts_does_not_seem_cheaper_for_it() -> None:
    samples = [
        failed(s)
        if name == CANDIDATE and s.block % 3 == 0
        else replace(s, input_tokens=10_000 if s.block % 3 == 0 else 100)
        for name in (BASELINE, CANDIDATE)
        for s in side(name, 60)
    ]
    who = replace(subject(), baseline=replace(PER_TOKEN, name=BASELINE), candidates=(PER_TOKEN,))
    rules = Rules(draws=199, measures=(), traffic=Traffic(10_000))
    baseline, candidate = judge(Evidence(who, tuple(samples)), rules).worth

    assert candidate.usd_per_month == baseline.usd_per_month


def test_there_are_as_many_servers_as_the_measured_throughput_asks_for() -> None:
    """Four streams reached 120 tokens per second."""
    few, _ = report(Traffic(1_000, (900, 250)), load=True).worth
    many, _ = report(Traffic(100_000, (900, 250)), load=True).worth

    assert few.servers == 1
    assert few.usd_per_month == pytest.approx(2 * MONTH_HOURS)
    assert many.servers == 3  # 289 tokens per second
    assert many.usd_per_month == pytest.approx(3 * 2 * MONTH_HOURS)


def test_the_price_at_which_both_are_equal_is_equal() -> None:
    traffic = Traffic(10_000, (900, 250))
    baseline, candidate = report(traffic).worth

    assert candidate.equal_factor is not None
    assert (candidate.usd_per_month or 0) * candidate.equal_factor == pytest.approx(
        baseline.usd_per_month
    )
    words = [*worth_sentences(report(traffic))]
    assert words[0].startswith("10,000 requests a day cost")
    assert words[-1] == (
        "own would cost as much as hosted at 2.53 times its price: 2.53 and 10.11 USD per million"
        " input and output tokens."
    )
    assert all(line in to_html(report(traffic)) for line in words)


def test_without_traffic_nothing_is_said() -> None:
    assert judge(Evidence(subject(), ()), Rules(draws=199)).worth == ()


def test_a_server_that_misses_the_slo_at_every_level_has_no_monthly_cost() -> None:
    who = replace(subject(), baseline=BY_THE_HOUR, candidates=(PER_TOKEN,))
    samples = [sample for name in (BASELINE, CANDIDATE) for sample in asked(name, 4, first=1.5)]
    traffic = Traffic(100_000, (900, 250))
    rules = Rules(draws=199, measures=(), traffic=traffic, objectives=(TTFT_P95,))
    found = judge(Evidence(who, tuple(samples)), rules)

    assert [worth.usd_per_month is None for worth in found.worth] == [True, False]
    assert found.worth[1].equal_factor is None
    assert (
        "hosted: unknown, because no level shows what a server can serve; set --concurrency to"
        " fewer streams."
    ) in worth_sentences(found)


def test_a_server_whose_answers_have_no_tokens_has_no_monthly_cost() -> None:
    who = replace(subject(), baseline=BY_THE_HOUR, candidates=(PER_TOKEN,))
    samples = [replace(s, output_tokens=None) for s in asked(BASELINE, 4)]
    rules = Rules(draws=199, measures=(), traffic=Traffic(100_000, (900, 250)))
    found = judge(Evidence(who, (*samples, *asked(CANDIDATE, 4))), rules)

    line = "hosted: unknown, because no answer under load reports its tokens."
    assert line in worth_sentences(found)


def test_a_side_without_answers_does_not_cost_nothing() -> None:
    who = replace(subject(), baseline=PER_TOKEN, candidates=(replace(PER_TOKEN, name="off"),))
    rules = Rules(draws=199, measures=(), traffic=Traffic(10_000))
    found = judge(Evidence(who, tuple(side(CANDIDATE, 60))), rules)

    assert found.worth[1].usd_per_month is None
    assert (
        "off: unknown, because no answer reports its tokens; set --request-tokens."
        in worth_sentences(found)
    )
