"""Missing answers: a side that fails must not gain by it, and this host's own fault is nobody's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from exporter.compare.report.json_report import to_json
from exporter.compare.report.markdown import to_markdown
from exporter.compare.sample import Sample
from exporter.compare.sampling.hopeless import Hopeless, SamplingError
from exporter.compare.sampling.prompts import Prompt
from exporter.compare.sampling.sampler import to_sample
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Rules
from exporter.compare.statistics.interim_looks import judge
from exporter.compare.statistics.measures import Measure
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
