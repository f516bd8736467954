"""Missing answers: a side that fails must not gain by it, and this host's own fault is nobody's."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from exporter.compare.report.html import to_html
from exporter.compare.report.json_report import to_json
from exporter.compare.report.markdown import to_markdown
from exporter.compare.report.terminal import show
from exporter.compare.sample import Sample
from exporter.compare.sampling.hopeless import Hopeless, SamplingError
from exporter.compare.sampling.prompts import Prompt
from exporter.compare.sampling.sampler import to_sample
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Rules
from exporter.compare.statistics.interim_looks import judge
from exporter.compare.statistics.measures import Measure
from exporter.compare.statistics.verdict import Verdict
from exporter.compare.subject import Evidence
from exporter.result import Failure, FailureReason
from tests.compare.making import BASELINE, CANDIDATE, failed, side, subject
from tests.compare.test_load import asked
from tests.metrics.test_metrics import GOOD, plan

LATE = replace(GOOD, failure=Failure(FailureReason.TIMEOUT_TOTAL, "too slow"), usage=None)


def report(*sides: list[Sample], planned: int | None = None) -> Report:
    samples = tuple(sample for own in sides for sample in own)
    who = replace(subject(), planned_probes=planned)
    return judge(Evidence(who, samples), Rules(draws=499))


def as_json(found: Report) -> Any:
    return json.loads(json.dumps(to_json(found), allow_nan=False))


def interrupted(sample: Sample) -> Sample:
    """Return the same probe, while this host had no time for it."""
    result = replace(LATE, interrupted=True)
    made = to_sample(plan(), result, sample.block, Prompt("Hi."))
    return replace(made, target=sample.target, streams=sample.streams, stratum=sample.stratum)


def test_a_probe_that_this_host_did_not_run_is_neither_success_nor_failure() -> None:
    candidate = [
        interrupted(s) if s.block % 4 == 0 else failed(s) if s.block % 4 == 1 else s
        for s in side(CANDIDATE, 200)
    ]
    found = report(side(BASELINE, 200), candidate)

    assert found.versus[0].finding(Measure.SUCCESS).candidate == pytest.approx(2 / 3)
    target = as_json(found)["targets"][1]
    assert (target["probes"], target["interrupted"], target["uncertain"]) == (200, 50, 0)
    assert "50 have no outcome because this host was too busy to run them" in to_markdown(found)


def test_a_level_of_load_leaves_out_what_this_host_did_not_run() -> None:
    candidate = [interrupted(s) if n % 2 else s for n, s in enumerate(asked(CANDIDATE, 4))]
    found = report(asked(BASELINE, 4), candidate)

    assert found.load is not None
    level = found.load.levels[0].side(CANDIDATE)
    assert level is not None
    assert (level.requests, level.success.value) == (40, 1.0)
    none = report(*([interrupted(s) for s in asked(name, 4)] for name in (BASELINE, CANDIDATE)))
    assert none.load is not None
    assert none.load.levels[0].sides == ()


def test_a_dead_side_is_given_up_even_if_this_host_is_busy_now_and_then() -> None:
    hopeless = Hopeless([])
    for sample in side(CANDIDATE, 10):
        hopeless.take(interrupted(sample))
        hopeless.take(failed(sample))

    with pytest.raises(SamplingError, match="has failed 10 times out of 10"):
        hopeless.check(CANDIDATE)


def test_a_report_on_fewer_probes_than_planned_says_so() -> None:
    whole, part = (report(side(BASELINE, n), side(CANDIDATE, n), planned=40) for n in (40, 30))

    assert "ended after 30 of the 40 planned probes of each side" in to_markdown(part)
    assert "planned probes" not in to_markdown(whole)
    assert as_json(part)["planned_probes"] == 40


def of_lengths(target: str, long_every: int) -> list[Sample]:
    """Return probes of a mix of prompts. A long prompt takes five times as long."""
    return [
        replace(
            sample,
            time_to_first_token_seconds=5 * (sample.time_to_first_token_seconds or 0),
            request_duration_seconds=5 * (sample.request_duration_seconds or 0),
        )
        if is_long(sample, long_every)
        else sample
        for sample in side(target, 400)
    ]


def is_long(sample: Sample, every: int) -> bool:
    return sample.block % every == 0


@pytest.mark.parametrize("every", [2, 3, 10])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_side_that_fails_on_long_prompts_is_not_the_faster_one_for_it(
    every: int, share: float
) -> None:
    random = Random(every)
    candidate = [
        failed(s) if is_long(s, every) and random.random() < share else s
        for s in of_lengths(CANDIDATE, every)
    ]
    found = report(of_lengths(BASELINE, every), candidate)

    verdicts = {one.measure: one.verdict for one in found.versus[0].findings}
    assert verdicts[Measure.SUCCESS] is Verdict.WORSE
    assert Verdict.BETTER not in verdicts.values()
    for measure in (Measure.TTFT_TYPICAL, Measure.TTFT_P50, Measure.DURATION_P95):
        finding = found.versus[0].finding(measure)
        assert finding.candidate == pytest.approx(finding.baseline, rel=0.1), measure
    blocks = as_json(found)["candidates"][0]["blocks"]
    assert blocks["answered_by_both"] < blocks["probed"] == 200
    words = f"what both hosted and own answered: {blocks['answered_by_both']} of 200 blocks"
    assert words in to_markdown(found)


def as_they_end(samples: list[Sample]) -> list[Sample]:
    """Return the probes as a load test records them: of a block, the faster one first."""
    return sorted(samples, key=lambda s: (s.block, s.request_duration_seconds or 0))


def test_the_faster_answers_of_a_side_do_not_count_for_its_failures_elsewhere() -> None:
    """Where one of two probes fails, one of the other side's two counts: either one."""
    sides = [
        [scattered(s, random) for s in side(name, 400)]
        for name, random in ((BASELINE, Random(1)), (CANDIDATE, Random(2)))
    ]
    random = Random(3)
    flaky = [failed(s) if random.random() < 0.5 else s for s in sides[1]]
    found = report(as_they_end(sides[0]), as_they_end(flaky))

    for finding in found.versus[0].findings:
        assert (finding.verdict is Verdict.WORSE) == (finding.measure is Measure.SUCCESS), finding
    median = found.versus[0].finding(Measure.DURATION_P50).baseline
    everything = report(*sides).versus[0].finding(Measure.DURATION_P50).baseline
    assert median == pytest.approx(everything, rel=0.05)


def scattered(sample: Sample, random: Random) -> Sample:
    slower = random.lognormvariate(0, 0.5)
    return replace(
        sample,
        time_to_first_token_seconds=slower * (sample.time_to_first_token_seconds or 0),
        time_per_output_token_seconds=slower * (sample.time_per_output_token_seconds or 0),
        request_duration_seconds=slower * (sample.request_duration_seconds or 0),
    )


def test_answers_to_different_prompts_are_shown_and_not_compared() -> None:
    baseline, candidate = (
        [failed(s) if s.block % 2 == odd else s for s in side(name, 400)]
        for odd, name in enumerate((BASELINE, CANDIDATE))
    )
    for measure in (Measure.TTFT_TYPICAL, Measure.TTFT_P50, Measure.TTFT_P95):
        finding = report(baseline, candidate).versus[0].finding(measure)
        assert (finding.effect, finding.verdict) == (None, Verdict.UNDECIDED)
        assert finding.note == "no prompt has an answer of both sides"
        assert finding.baseline is not None
        assert finding.candidate is not None


def in_outage(sample: Sample) -> Sample:
    return failed(sample, "connect") if 40 <= sample.block < 60 else sample


def test_an_outage_of_both_sides_is_said_and_does_not_hide_that_one_fails_more_often() -> None:
    random = Random(4)
    steady = [in_outage(s) for s in side(BASELINE, 200)]
    flaky = [
        failed(s) if random.random() < 0.25 else s for s in map(in_outage, side(CANDIDATE, 200))
    ]
    found = report(steady, flaky)

    assert found.versus[0].finding(Measure.SUCCESS).verdict is Verdict.WORSE
    assert as_json(found)["candidates"][0]["blocks"]["answered_by_neither"] == 20
    assert "In 20 of 100 blocks, neither answered" in to_markdown(found)


def test_an_outage_before_a_change_does_not_decide_alone() -> None:
    """Before and after are different times, so their blocks are different ones too."""
    after = [replace(s, block=s.block + 200) for s in side(CANDIDATE, 400)]
    found = report([in_outage(s) for s in side(BASELINE, 400)], after)

    success = found.versus[0].finding(Measure.SUCCESS)
    assert success.baseline == pytest.approx(0.9)
    assert success.candidate == 1
    assert success.verdict is Verdict.UNDECIDED


def test_sides_that_never_answer_are_not_equally_reliable() -> None:
    found = report(*([failed(s) for s in side(name, 200)] for name in (BASELINE, CANDIDATE)))

    success = found.versus[0].finding(Measure.SUCCESS)
    assert (success.verdict, success.note) == (Verdict.UNDECIDED, "neither side answered")
    assert found.versus[0].finding(Measure.TTFT_TYPICAL).verdict is Verdict.UNDECIDED
    assert to_markdown(found).startswith("## There is not enough data to tell own from hosted\n")
    assert "In 100 of 100 blocks, neither answered" in to_html(found)
    assert "In 100 of 100 blocks, neither answered" in show(found)


def test_an_outage_of_both_sides_decides_nothing() -> None:
    sides = [[in_outage(s) for s in side(name, 200)] for name in (BASELINE, CANDIDATE)]
    success = report(*sides).versus[0].finding(Measure.SUCCESS)

    assert (success.baseline, success.candidate) == (0.8, 0.8)
    assert success.verdict is Verdict.UNDECIDED
