"""The states are correct: a table of histories and their states."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.config.plan import Plan, PlanChange
from exporter.config.slo import Objective, SloVerdict, Tally
from exporter.probing.evidence import LIMIT
from exporter.result import FailureReason, SkipReason
from exporter.site.judgement import State, judge
from exporter.site.status import Status
from tests.site.test_status import NOW, failure, plan, status_of, success

SLO = {"success_ratio": 0.99, "time_to_first_token": {"threshold": "1s", "ratio": 0.95}}
LIMITED, BROKEN = FailureReason.RATE_LIMITED, FailureReason.SERVER_ERROR


def past(asked: Plan, story: str) -> Status:
    """Build a status. Each letter is a probe: fast, slow, an error, or throttled."""
    status = status_of(asked)
    for number, letter in enumerate(story):
        at = NOW + 30 * number
        if letter in "fs":
            found = success(asked, 300 if letter == "f" else 3200, at)
        else:
            found = failure(asked, reason=BROKEN if letter == "e" else LIMITED)
            found = replace(found, result=replace(found.result, finished_at=at))
        status.observe(found)
    return status


@pytest.mark.parametrize(
    ("slo", "story", "state"),
    [
        (SLO, "ffff", State.OK),
        (SLO, "s", State.OK),
        (SLO, "ss", State.SLOW),
        (SLO, "ffffsfff", State.OK),  # one slow probe of so few proves nothing
        (SLO, "sss" + 10 * "f", State.OK),  # it was slow, but isn't any more
        (SLO, "fffefffef", State.FLAKY),
        (SLO, "fffff", State.OK),
        (SLO, "ffffffffe", State.FLAKY),
        (SLO, "ffffffffee", State.FAILING),
        (SLO, "e", State.FAILING),
        (SLO, "ft", State.THROTTLED),
        (SLO, "fttff", State.THROTTLED),
        (None, "s", State.OK),
        (None, "fffefffefffefffef", State.FLAKY),  # without settings, the objective is 95 %
        (None, 40 * "f" + "ef", State.OK),
    ],
)
def test_a_past_and_its_state(slo: object, story: str, state: State) -> None:
    (row,) = past(plan(slo=slo), story).rows()
    judgement = judge(row, NOW + 3600)
    assert judgement.state is state, judgement.why
    assert bool(judgement.why) is state.is_problem
    assert bool(judgement.runbook) is state.is_problem


def test_it_says_how_far_off_the_objective_is() -> None:
    (row,) = past(plan(slo=SLO), "fsss").rows()
    assert judge(row, NOW).why == (
        "time to first token was within 1.00 s in 25 % of the probes in the last hour;"
        " the objective is 95 %"
    )


def test_slower_than_usual() -> None:
    asked = plan()
    status = past(asked, "fff")
    status.evidence(asked, {"success": 0, "time_to_first_token": LIMIT})
    (row,) = status.rows()
    assert judge(row, NOW).state is State.SLOW
    status.evidence(asked, {"success": 0, "time_to_first_token": LIMIT / 2})
    (row,) = status.rows()
    assert judge(row, NOW).state is State.OK


def test_it_says_why_nothing_is_sent() -> None:
    asked = plan()
    status = status_of(asked)
    status.skipped(asked, SkipReason.BUDGET)
    (row,) = status.rows()
    assert judge(row, NOW).why == "probe skipped: it could exceed the budget"
    status.observe(success(asked))
    (row,) = status.rows()
    assert judge(row, NOW).why == ""


def test_objectives_are_judged_again_after_a_reload() -> None:
    strict, loose = plan(slo=SLO), plan(slo={"success_ratio": 0.5})
    status = past(strict, "sss")
    status.apply(PlanChange.between([strict], [loose]))
    (row,) = status.rows()
    assert judge(row, NOW).state is State.OK


@pytest.mark.parametrize(
    ("good", "judged", "ratio", "verdict"),
    [
        (0, 0, 0.99, SloVerdict.UNKNOWN),
        (10, 10, 0.99, SloVerdict.UNKNOWN),
        (298, 298, 0.99, SloVerdict.UNKNOWN),
        (299, 299, 0.99, SloVerdict.KEPT),
        (99, 100, 0.99, SloVerdict.UNKNOWN),
        (96, 100, 0.99, SloVerdict.BROKEN),
        (0, 1, 0.99, SloVerdict.BROKEN),
        (59, 59, 0.95, SloVerdict.KEPT),
        (0, 1, 0.5, SloVerdict.UNKNOWN),
        (700, 720, 0.999, SloVerdict.BROKEN),
    ],
)
def test_an_objective_is_judged_by_what_chance_could_do(
    good: int, judged: int, ratio: float, verdict: SloVerdict
) -> None:
    assert Tally(Objective("success", ratio), good, judged).verdict is verdict


def test_it_is_known_how_many_probes_it_takes() -> None:
    for ratio in (0.5, 0.9, 0.95, 0.99, 0.999):
        enough = Tally(Objective("success", ratio)).enough
        assert Tally(Objective("success", ratio), enough, enough).verdict is SloVerdict.KEPT
        assert (
            Tally(Objective("success", ratio), enough - 1, enough - 1).verdict is SloVerdict.UNKNOWN
        )
