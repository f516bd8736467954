"""The page of one target: its history, its latest probes in detail, and its failures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from exporter.config.plan import Plan
from exporter.site.backend import Condition
from exporter.site.details import ProbeDetails
from exporter.site.judgement import (
    WORST_FIRST,
    Judgement,
    State,
    failing_since,
    judge,
    next_probe_at,
)
from exporter.site.pages.page import Page, render
from exporter.site.pages.problems_page import runbook_url
from exporter.site.pages.timeline import Drawing, Mark, Scale
from exporter.site.past import PastProbes
from exporter.site.status import StatusRow
from exporter.site.words import seconds

_DASHBOARD = "inference-target"


@dataclass(frozen=True, slots=True)
class Chart:
    """The times of the past as SVG path data, 1000 wide and 100 high."""

    dots: str
    failures: str
    colds: str
    limit: float | None
    """The y coordinate of the objective's threshold."""
    top: str
    middle: str
    first_at: float
    last_at: float
    description: str

    @classmethod
    def of(cls, past: PastProbes, threshold: float | None) -> Chart | None:
        """``None`` if there is too little to draw."""
        seen = tuple(past)
        times = [time for probe in seen if (time := probe.warm_seconds) is not None]
        if len(seen) < 2 or not times:
            return None
        top = _round_up(max(*times, threshold or 0.0))
        first, last = seen[0].finished_at, seen[-1].finished_at
        length = max(last - first, 1e-9)
        xs = [round((probe.finished_at - first) / length * 1000, 1) for probe in seen]
        placed = [*zip(xs, seen, strict=True)]
        failed = sum(not probe.success for probe in seen)
        return cls(
            dots="".join(
                f"M{x} {100 - time / top * 100:.1f}h0"
                for x, probe in placed
                if (time := probe.warm_seconds) is not None
            ),
            failures="".join(f"M{x} 0v100" for x, probe in placed if not probe.success),
            colds="".join(f"M{x} 0v100" for x, probe in placed if probe.success and probe.cold),
            limit=100 - threshold / top * 100 if threshold else None,
            top=seconds(top),
            middle=seconds(top / 2),
            first_at=first,
            last_at=last,
            description=f"{len(seen)} probes, {failed} failed; times from {seconds(min(times))}"
            f" to {seconds(max(times))}",
        )


@dataclass(frozen=True, slots=True)
class Failures:
    """Failures with the same reason, status, and message."""

    latest: ProbeDetails
    earlier: Sequence[ProbeDetails]
    """The latest first."""

    @classmethod
    def grouped(cls, failures: Iterable[ProbeDetails]) -> list[Failures]:
        """The groups, in the order of their latest failures."""
        groups: dict[object, list[ProbeDetails]] = {}
        for each in failures:
            groups.setdefault((each.failure, each.status, each.finish_reason), []).append(each)
        return [cls(latest, earlier) for latest, *earlier in groups.values()]


@dataclass(frozen=True, slots=True)
class Part:
    """The part of the page about one probe of the target."""

    id: str
    row: StatusRow
    judgement: Judgement
    since: float | None
    runbook: str
    next_at: float | None
    chart: Chart | None
    probes: Sequence[tuple[ProbeDetails, Drawing]]
    marks: Sequence[Mark]
    kinds: Sequence[str]
    """The spans in the drawings, for the legend."""
    failures: Sequence[Failures]
    """The latest first."""

    @property
    def draws_doubt(self) -> bool:
        return any(drawing.doubt for _, drawing in self.probes)

    @property
    def draws_end(self) -> bool:
        return any(drawing.end is not None for _, drawing in self.probes)

    @classmethod
    def of(cls, row: StatusRow, condition: Condition, now: float, number: int) -> Part:
        judgement = judge(row, now)
        scale = Scale.of(row.kept)
        probes = [(kept, Drawing.of(kept, scale)) for kept in row.kept]
        drawn = dict.fromkeys(bar.kind for _, drawing in probes for bar in drawing.bars)
        return cls(
            id=f"probe-{number}",
            row=row,
            judgement=judgement,
            since=failing_since(row) if judgement.state is State.FAILING else None,
            runbook=runbook_url(condition, judgement.runbook),
            next_at=None if condition.stands_by else next_probe_at(row, now),
            chart=Chart.of(row.past, row.limit_seconds),
            probes=probes,
            marks=scale.marks,
            kinds=[kind for kind in drawn if kind != "send"],
            failures=Failures.grouped(reversed(row.failures)),
        )


def render_target(
    rows: Sequence[StatusRow], condition: Condition, problems: int, now: float, *, can_probe: bool
) -> Page:
    """The page of the target whose rows these are.

    :param can_probe: whether the reader can probe the target.
    """
    target = rows[0].plan.target
    parts = [Part.of(row, condition, now, number) for number, row in enumerate(rows)]
    spent = condition.spent
    return render(
        "target.html",
        condition,
        problems,
        target=target,
        parts=parts,
        worst=min((part.judgement.state for part in parts), key=WORST_FIRST.index),
        can_probe=can_probe and not condition.stands_by,
        grafana=_dashboard_url(condition, rows[0].plan),
        spent=spent.by_target.get(target.name),
        spent_limit=spent.target_limits.get(target.name),
    )


def _dashboard_url(condition: Condition, plan: Plan) -> str:
    base = condition.config.web.grafana_url
    query = urlencode({"var-target": plan.target.name}, quote_via=quote)
    return f"{base}/d/{_DASHBOARD}?{query}" if base else ""


def _round_up(value: float) -> float:
    """Round up to a readable value with one or two digits."""
    if value <= 0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(value))
    return next((step * n for n in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8) if step * n >= value), 10 * step)
