"""The state of each target in one word, and the reason, for the pages and the API."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from exporter.coldness import Waiting
from exporter.config.slo import Objective, SloVerdict, Tally
from exporter.probing.evidence import LIMIT
from exporter.probing.grid import next_on_grid
from exporter.result import Failure, FailureReason, SkipReason
from exporter.site.status import StatusRow
from exporter.site.words import percent, seconds, span

USUAL_SUCCESS = Objective("success", 0.95)
"""The default if a target has no success objective."""
LATE_INTERVALS = 3
"""After this many intervals without a result, the state of a target is unknown."""

_LATEST = 10
"""A problem is over once none of this many probes shows it."""
_THROTTLING = frozenset({FailureReason.RATE_LIMITED, FailureReason.OVERLOADED})
_SKIPPED = {
    SkipReason.OVERLAP: "the previous probe is still running",
    SkipReason.BUDGET: "it could exceed the budget",
    SkipReason.PAUSED: "the exporter was paused or on standby",
    SkipReason.RETRY_AFTER: "the provider asked for a pause",
    SkipReason.COLD_START: "the target is idle so that its model goes cold",
}


class State(StrEnum):
    OK = "ok"
    SLOW = "slow"
    """Slower than its objective or than usual."""
    FLAKY = "flaky"
    """It answers, but less often than its objective requires."""
    THROTTLED = "throttled"
    """The provider limits the rate of requests."""
    FAILING = "failing"
    STARTING = "not-ready"
    """Not ready, but not for long enough to be a failure."""
    PENDING = "pending"
    """Not yet probed."""

    @property
    def label(self) -> str:
        """For people."""
        return {"not-ready": "not ready", "pending": "not yet probed"}.get(self, str(self))

    @property
    def is_problem(self) -> bool:
        return self not in {State.OK, State.PENDING}


WORST_FIRST = (
    State.FAILING,
    State.THROTTLED,
    State.FLAKY,
    State.SLOW,
    State.STARTING,
    State.PENDING,
    State.OK,
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The state of a row and the reason for people; the reason is empty if all is well."""

    state: State
    why: str = ""
    runbook: str = ""
    """The name of the runbook."""


def judge(row: StatusRow, now: float) -> Judgement:
    """The state of a row at a time, Unix seconds."""
    waiting = row.waiting
    if waiting and not waiting.ready:
        late = now - waiting.since > row.plan.target.ready_limit_seconds
        state = State.FAILING if late else State.STARTING
        return Judgement(state, _not_ready(waiting, now), "InferenceModelNotReady")
    if row.last is None:
        return Judgement(State.PENDING, _skipped(row))
    if failure := row.last.result.failure:
        return _failed(row, failure)
    return _unreliable(row) or _slow(row) or Judgement(State.OK, _idle_or_skipped(row, now))


def is_late(row: StatusRow, now: float) -> bool:
    """Whether there has been no result for too long."""
    if row.last is None or row.waiting:
        return False
    age = now - row.last.result.finished_at
    return age > LATE_INTERVALS * row.plan.interval_seconds


def next_probe_at(row: StatusRow, now: float) -> float:
    """When the next probe is due, Unix seconds."""
    return next_on_grid(now, row.plan.phase.part, row.plan.interval_seconds)


def failing_since(row: StatusRow) -> float | None:
    """When the current run of failures began, Unix seconds; ``None`` if the target succeeds.

    If the failures are older than the history, the result is when the history begins.
    """
    since = None
    for probe in reversed(tuple(row.past)):
        if probe.success:
            break
        since = probe.finished_at
    return since


def _failed(row: StatusRow, failure: Failure) -> Judgement:
    why = failure.summary
    if failure.reason in _THROTTLING:
        return Judgement(State.THROTTLED, why, "InferenceThrottled")
    latest = row.past.latest(_LATEST)
    good = sum(probe.success for probe in latest)
    if 2 * good > len(latest) and latest[-2].success:
        times = f"{len(latest) - good} of the last {len(latest)} probes failed"
        return Judgement(State.FLAKY, f"{times}; {why}", "InferenceErrorsHigh")
    runbook = {
        FailureReason.WRONG_ANSWER: "InferenceWrongAnswers",
        FailureReason.NOT_READY: "InferenceModelNotReady",
    }.get(failure.reason, "InferenceTargetDown")
    return Judgement(State.FAILING, why, runbook)


def _unreliable(row: StatusRow) -> Judgement | None:
    latest = row.past.latest(_LATEST)
    if all(probe.success for probe in latest):
        return None
    failures = row.past.last_hour().failures()
    tally = next((each for each in row.tallies if each.objective.threshold_seconds is None), None)
    if tally is None:
        # A booting model is not flaky.
        ready = row.hour.probes - failures.count(FailureReason.NOT_READY)
        tally = Tally(USUAL_SUCCESS, row.hour.successes, ready)
    if tally.verdict is not SloVerdict.BROKEN:
        return None
    why = (
        f"{percent(tally.ratio)} of {tally.judged} probes succeeded in the last hour;"
        f" at least {percent(tally.objective.ratio)} should"
    )
    if 2 * sum(reason in _THROTTLING for reason in failures) > len(failures):
        return Judgement(
            State.THROTTLED, f"{why}; most others were throttled", "InferenceThrottled"
        )
    return Judgement(State.FLAKY, why, "InferenceErrorsHigh")


def _slow(row: StatusRow) -> Judgement | None:
    for tally in row.tallies:
        limit = tally.objective.threshold_seconds
        if (
            limit is not None
            and tally.verdict is SloVerdict.BROKEN
            and _is_missed(row, tally.objective)
        ):
            name = tally.objective.name.replace("_", " ")
            why = (
                f"{name} was within {seconds(limit)} in {percent(tally.ratio)} of the probes in the"
                f" last hour; the objective is {percent(tally.objective.ratio)}"
            )
            return Judgement(State.SLOW, why, "InferenceFirstTokenSlow")
    if row.evidence >= LIMIT:
        usual = f"; the 24-hour median is {seconds(row.day.p50)}" if row.day.p50 else ""
        why = f"time to first token is longer than usual{usual}"
        return Judgement(State.SLOW, why, "InferenceFirstTokenSlower")
    return None


def _is_missed(row: StatusRow, objective: Objective) -> bool:
    """Whether any of the latest probes missed the objective. If none did, the target has
    recovered."""
    latest = row.past.latest(_LATEST)
    return any(objective.met_by(each, usable=not each.cold) is False for each in latest)


def _not_ready(waiting: Waiting, now: float) -> str:
    return f"not ready for {span(now - waiting.since)}: {waiting.detail}"


def _idle_or_skipped(row: StatusRow, now: float) -> str:
    if row.waiting:
        return f"{row.waiting.detail} for {span(now - row.waiting.since)}"
    return _skipped(row)


def _skipped(row: StatusRow) -> str:
    return f"probe skipped: {_SKIPPED[row.skipped]}" if row.skipped else ""
