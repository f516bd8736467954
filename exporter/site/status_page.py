"""The status page: one table, no script, nothing loaded from elsewhere."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from exporter import __version__
from exporter.coldness import Coldness, ColdSignal, Waiting
from exporter.site.sparkline import HEIGHT, WIDTH, Sparkline
from exporter.site.status import StatusRow

if TYPE_CHECKING:
    from jinja2 import Template

REFRESH_SECONDS = 5
_LATE_INTERVALS = 3  # without news for so many intervals, the row must not look fresh


class State(StrEnum):
    OK = "ok"
    FAILING = "failing"
    STARTING = "starting"
    """Not ready, but not yet for so long that something must be wrong."""
    PENDING = "pending"
    """Not yet probed."""


@dataclass(frozen=True, slots=True)
class View:
    """What the reader asked to see."""

    show: State | None = None
    """Rows of one state alone; ``None`` for all."""
    refresh: bool = True

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> View:
        """From the query of the URL; what makes no sense there is passed over."""
        show = query.get("show")
        return cls(State(show) if show in list(State) else None, query.get("refresh") != "off")

    @property
    def url(self) -> str:
        query: dict[str, str] = {"show": self.show} if self.show else {}
        if not self.refresh:
            query |= {"refresh": "off"}
        return f"/?{urlencode(query)}" if query else "/"

    def showing(self, show: State | None) -> View:
        return replace(self, show=show)

    def toggled(self) -> View:
        return replace(self, refresh=not self.refresh)


@dataclass(frozen=True, slots=True)
class Page:
    """A page and the Content-Security-Policy under which it is shown."""

    html: str
    security_policy: str


@dataclass(frozen=True, slots=True)
class Line:
    """A row as text. What is not known is empty."""

    state: State
    target: str
    provider: str
    model: str
    probe: str
    labels: Mapping[str, str]
    waiting: str
    """What it is being waited for, and for how long."""
    time_to_first_token: str
    cold_start: str
    """The latest cold start or boot, and how long it took."""
    cold_start_ago: str
    sparkline: Sparkline | None
    tokens_per_second: str
    duration: str
    failure_reason: str
    failure_detail: str
    ago: str
    late: bool

    @classmethod
    def of(cls, row: StatusRow, now: float) -> Line:
        target, last = row.plan.target, row.last.result if row.last else None
        failure = last.failure if last else None
        usable = row.last and row.last.certain and not row.last.cold
        good = last if last and last.success and usable else None
        cold = row.last_cold
        waiting = "" if _state(row, now) is State.FAILING else _waiting(row.waiting, now)
        age = now - last.finished_at if last else 0.0
        return cls(
            state=_state(row, now),
            target=target.name,
            provider=target.provider,
            model=target.model,
            probe=row.plan.probe_name,
            labels=target.labels,
            waiting=waiting,
            cold_start=_cold_start(cold.cold) if cold and cold.cold else "",
            cold_start_ago=f"{_span(now - cold.result.finished_at)} ago" if cold else "",
            time_to_first_token=_seconds(good.time_to_first_token_seconds if good else None),
            sparkline=Sparkline.of(row.history),
            tokens_per_second=_rate(good.output_tokens_per_second if good else None),
            duration=_seconds(good.request_duration_seconds if good else None),
            failure_reason=failure.reason if failure and not waiting else "",
            failure_detail=failure.detail if failure else "",
            ago=f"{_span(age)} ago" if last else "",
            late=age > _LATE_INTERVALS * row.plan.interval_seconds and not waiting,
        )


def render_page(
    rows: Sequence[StatusRow], uptime_seconds: float, view: View, stands_by: bool = False
) -> Page:
    """The page as of now.

    :param stands_by: another exporter is the one that probes.
    """
    now = time.time()
    nonce = secrets.token_urlsafe(16)
    html = _template().render(
        nonce=nonce,
        version=__version__,
        uptime=_span(uptime_seconds),
        totals=_totals(rows, now),
        states=State,
        total=len(rows),
        stands_by=stands_by,
        lines=[Line.of(row, now) for row in rows if view.show in (None, _state(row, now))],
        view=view,
        refresh_seconds=REFRESH_SECONDS,
        width=WIDTH,
        height=HEIGHT,
    )
    return Page(
        html,
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )


@cache
def _template() -> Template:
    # Megabytes that an exporter whose page nobody looks at does without.
    from jinja2 import Environment, PackageLoader  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("exporter.site", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("status.html")


def _state(row: StatusRow, now: float) -> State:
    waiting = row.waiting
    if waiting and not waiting.ready:
        late = now - waiting.since > row.plan.target.ready_limit_seconds
        return State.FAILING if late else State.STARTING
    if row.last is None:
        return State.PENDING
    return State.OK if row.last.result.success else State.FAILING


def _cold_start(cold: Coldness) -> str:
    kind = "boot" if cold.signal is ColdSignal.BOOT else "cold"
    return f"{kind} {_seconds(cold.duration_seconds)}"


def _waiting(waiting: Waiting | None, now: float) -> str:
    if waiting is None:
        return ""
    span = _span(now - waiting.since)
    if waiting.ready:
        return f"{waiting.detail} for {span}"
    return f"not ready for {span}: {waiting.detail}"


def _totals(rows: Iterable[StatusRow], now: float) -> Counter[State]:
    return Counter(_state(row, now) for row in rows)


def _seconds(value: float | None) -> str:
    """Three digits or so: ``0.84 ms``, ``312 ms``, ``1.42 s``."""
    if value is None:
        return ""
    if value < 0.01:
        return f"{value * 1000:.2f} ms"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def _rate(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _span(seconds: float) -> str:
    """A rough span of time in its two largest units: ``12 s``, ``3 min``, ``2 h 5 min``."""
    minutes, whole_seconds = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{whole_seconds} s"
