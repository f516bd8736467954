"""Current problems of the exporter and of targets, worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exporter.site.backend import Condition
from exporter.site.judgement import (
    WORST_FIRST,
    Judgement,
    failing_since,
    is_late,
    judge,
)
from exporter.site.pages.page import Page, render
from exporter.site.status import StatusRow
from exporter.site.words import usd

_NEARLY = 0.9


@dataclass(frozen=True, slots=True)
class OwnProblem:
    """A problem of the exporter itself."""

    name: str
    why: str
    runbook: str


@dataclass(frozen=True, slots=True)
class TargetProblem:
    """A row with a problem."""

    id: str
    row: StatusRow
    judgement: Judgement
    since: float | None
    runbook: str


def runbook_url(condition: Condition, name: str) -> str:
    """The URL of a runbook; empty without a name."""
    return f"{condition.config.web.runbook_url}/{name}.md" if name else ""


def count_problems(rows: Sequence[StatusRow], now: float) -> int:
    """The number of rows with a problem."""
    return sum(judge(row, now).state.is_problem for row in rows)


def render_problems(rows: Sequence[StatusRow], condition: Condition, now: float) -> Page:
    """The list at a time, Unix seconds."""
    judged = [(number, row, judge(row, now)) for number, row in enumerate(rows)]
    wrong = [each for each in judged if each[2].state.is_problem]
    wrong.sort(key=lambda each: WORST_FIRST.index(each[2].state))
    return render(
        "problems.html",
        condition,
        len(wrong),
        own=[*_own(rows, condition, now)],
        listed=[
            TargetProblem(
                id=f"problem-{number}",
                row=row,
                judgement=judgement,
                since=failing_since(row),
                runbook=runbook_url(condition, judgement.runbook),
            )
            for number, row, judgement in wrong
        ],
        total=sum(row.last is not None for row in rows),
    )


def _own(rows: Sequence[StatusRow], condition: Condition, now: float) -> Iterator[OwnProblem]:
    def problem(name: str, why: str, runbook: str) -> OwnProblem:
        return OwnProblem(name, why, runbook_url(condition, runbook))

    if condition.config_error:
        why = f"the exporter keeps using the previous one: {condition.config_error}"
        yield problem("The configuration has errors", why, "InferenceExporterConfigStale")
    spent = condition.spent
    if spent.limit_usd and spent.usd >= _NEARLY * spent.limit_usd:
        share = f"{usd(spent.usd)} of {usd(spent.limit_usd)} today"
        why = f"{share}; probes that could exceed the budget are skipped"
        yield problem("The budget is nearly spent", why, "InferenceBudgetNearlySpent")
    if late := [row.plan.target.name for row in rows if is_late(row, now)]:
        names = ", ".join(late[:10]) + (f" and {len(late) - 10} more" if len(late) > 10 else "")
        yield problem(
            "Targets are not being probed",
            f"no result for three intervals: {names}",
            "InferenceExporterNotProbing",
        )
