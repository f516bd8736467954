"""The status page: all targets in a table that you can search, sort, and group."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from exporter.coldness import Coldness, ColdSignal
from exporter.site.backend import Condition
from exporter.site.judgement import WORST_FIRST, Judgement, State, is_late, judge, next_probe_at
from exporter.site.pages.page import Page, render
from exporter.site.pages.sparkline import HEIGHT, WIDTH, Sparkline
from exporter.site.past import PeriodSummary
from exporter.site.status import StatusRow
from exporter.site.words import rate, seconds

_MAX_QUERY = 200
_BUILT_IN_GROUPS = ("provider", "model", "probe", "state")


@dataclass(frozen=True, slots=True)
class TableView:
    """How the reader filters, sorts, and groups the table."""

    show: State | None = None
    """Only rows in this state; ``None`` for all."""
    query: str = ""
    """Words that a row must contain."""
    sort: str = ""
    """One of ``SORTS``; a leading minus reverses the order. Empty: as configured."""
    group: str = ""
    """A label, or one of the built-in groups."""
    refresh: bool = True

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> TableView:
        """From the query of the URL; invalid values are ignored."""
        show, sort = query.get("show"), query.get("sort", "")
        return cls(
            show=State(show) if show in list(State) else None,
            query=query.get("q", "")[:_MAX_QUERY].strip(),
            sort=sort if sort.removeprefix("-") in SORTS else "",
            group=query.get("group", "")[:_MAX_QUERY],
            refresh=query.get("refresh") != "off",
        )

    @property
    def url(self) -> str:
        query = {"show": self.show, "q": self.query, "sort": self.sort, "group": self.group}
        given = {name: value for name, value in query.items() if value}
        if not self.refresh:
            given["refresh"] = "off"
        return f"/?{urlencode(given)}" if given else "/"

    def showing(self, show: State | None) -> TableView:
        return replace(self, show=show)

    def sorted_by(self, sort: str) -> TableView:
        """Sorted by a column; sorting by it again reverses the order."""
        return replace(self, sort=f"-{sort}" if sort == self.sort else sort)

    def toggled(self) -> TableView:
        return replace(self, refresh=not self.refresh)

    def aria_sort(self, sort: str) -> str:
        """How a column is sorted, in ARIA's words."""
        if self.sort.removeprefix("-") != sort:
            return "none"
        rises = sort in _RISING
        return "ascending" if rises == (self.sort == sort) else "descending"


@dataclass(frozen=True, slots=True)
class Line:
    """A row as shown. Unknown values are empty."""

    id: str
    row: StatusRow
    judgement: Judgement
    time: float | None
    """The latest time to first token, or the total time if the answer isn't streamed."""
    uncertain: bool
    """Whether that time is too uncertain to show."""
    tokens_per_second: str
    cold_start: str
    """The latest cold start or boot, and how long it took."""
    cold_start_at: float | None
    sparkline: Sparkline | None
    last_at: float | None
    next_at: float | None
    late: bool

    @property
    def state(self) -> State:
        return self.judgement.state

    @property
    def target(self) -> Any:
        return self.row.plan.target

    @property
    def hour(self) -> PeriodSummary:
        return self.row.hour

    @property
    def day(self) -> PeriodSummary:
        return self.row.day

    def group(self, by: str) -> str:
        """The group of the row."""
        own = {
            "provider": self.target.provider,
            "model": self.target.model,
            "probe": self.row.plan.probe_name,
            "state": self.state.label,
        }
        return str(self.target.labels.get(by) or own.get(by, ""))

    @classmethod
    def of(cls, row: StatusRow, judgement: Judgement, now: float, probing: bool = True) -> Line:
        cold, last = row.last_cold, next(iter(row.past.latest(1)), None)
        late = is_late(row, now)
        return cls(
            id=_id(row),
            row=row,
            judgement=judgement,
            time=last.warm_seconds if last else None,
            uncertain=row.last is not None and row.last.result.success and not row.last.certain,
            tokens_per_second=rate(
                last.output_tokens_per_second if last and last.warm_seconds else None
            ),
            cold_start=_cold_start(cold.cold) if cold and cold.cold else "",
            cold_start_at=cold.result.finished_at if cold else None,
            sparkline=Sparkline.of(row.history, row.limit_seconds),
            last_at=row.last.result.finished_at if row.last else None,
            next_at=next_probe_at(row, now) if probing else None,
            late=late,
        )


SORTS: Mapping[str, Callable[[Line], Any]] = {
    "state": lambda line: WORST_FIRST.index(line.state),
    "name": lambda line: line.target.name.casefold(),
    "time": lambda line: _longest_first(line.time),
    "p95": lambda line: _longest_first(line.hour.p95),
    "success": lambda line: line.hour.success_ratio,
    "last": lambda line: _longest_first(line.last_at),
}
"""Sort keys, worst first where there is a worst; ``None`` sorts last."""
_RISING = frozenset({"state", "name", "success"})


def render_page(
    rows: Sequence[StatusRow], condition: Condition, view: TableView, now: float
) -> Page:
    """The page at a time, Unix seconds."""
    judged = [(row, judge(row, now)) for row in rows]
    totals = Counter(judgement.state for _, judgement in judged)
    shown = [
        (row, judgement)
        for row, judgement in judged
        if view.show in (None, judgement.state) and _matches(row, judgement, view.query)
    ]
    probing = not condition.stands_by
    lines = [Line.of(row, judgement, now, probing) for row, judgement in shown]
    return render(
        "status.html",
        condition,
        sum(n for state, n in totals.items() if state.is_problem),
        totals=totals,
        states=[
            state for state in (*WORST_FIRST[:-1], State.OK) if totals[state] or view.show == state
        ],
        failing=totals[State.FAILING],
        total=len(rows),
        all_hour=_together(row.hour for row in rows),
        all_day=_together(row.day for row in rows),
        next_at=min((next_probe_at(row, now) for row in rows), default=None),
        groups=_grouped(_sorted(lines, view.sort), view.group),
        group_names=_group_names(rows),
        shown=len(lines),
        view=view,
        width=WIDTH,
        height=HEIGHT,
        speaks=any(line.tokens_per_second for line in lines),
    )


def _longest_first(value: float | None) -> float | None:
    return None if value is None else -value


def _sorted(lines: list[Line], sort: str) -> list[Line]:
    if not sort:
        return lines
    key = SORTS[sort.removeprefix("-")]
    known = [line for line in lines if key(line) is not None]
    unknown = [line for line in lines if key(line) is None]
    return [*sorted(known, key=key, reverse=sort.startswith("-")), *unknown]


def _grouped(lines: Iterable[Line], by: str) -> list[tuple[str, list[Line]]]:
    """The lines by group name; without groups, all lines under an empty name."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.group(by) if by else "", []).append(line)
    return sorted(groups.items()) if by else [*groups.items()]


def _group_names(rows: Iterable[StatusRow]) -> list[str]:
    labels = {label for row in rows for label in row.plan.target.labels}
    return [*sorted(labels), *(name for name in _BUILT_IN_GROUPS if name not in labels)]


def _matches(row: StatusRow, judgement: Judgement, query: str) -> bool:
    if not query:
        return True
    target = row.plan.target
    labels = (f"{name}={value}" for name, value in target.labels.items())
    names = (target.name, target.provider, target.model, row.plan.probe_name, *labels)
    text = " ".join((*names, judgement.state.label, judgement.why)).casefold()
    return all(word in text for word in query.casefold().split())


def _together(summaries: Iterable[PeriodSummary]) -> PeriodSummary:
    """The successes of all targets; quantiles of different targets can't be combined."""
    probes = successes = 0
    for summary in summaries:
        probes, successes = probes + summary.probes, successes + summary.successes
    return PeriodSummary(probes, successes)


def _id(row: StatusRow) -> str:
    """An ID that stays the same between renderings."""
    return "row-" + hashlib.blake2b("\0".join(row.plan.key).encode(), digest_size=6).hexdigest()


def _cold_start(cold: Coldness) -> str:
    kind = "boot" if cold.signal is ColdSignal.BOOT else "cold"
    return f"{kind} {seconds(cold.duration_seconds)}"
