"""Runs the queries of a panel on a real Prometheus, with Grafana's variables filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from exporter.settings.units import parse_duration

_POINTS = 240
_LEGEND = re.compile(r"{{\s*(\w+)\s*}}")


@dataclass(frozen=True, slots=True)
class Span:
    """The displayed time range, in Unix seconds."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a panel."""

    ref: str
    name: str
    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]
    """Unix seconds and values; one point for an instant query."""


def filled(expression: str, variables: Mapping[str, str]) -> str:
    """Fill in variables as Grafana does."""
    for name, value in variables.items():
        expression = re.sub(rf"\$({name}\b|{{{name}}})", value, expression)
    return expression


class Prometheus:
    """Runs the queries of panels."""

    def __init__(self, url: str, min_step_seconds: float | None = None) -> None:
        self._client = httpx.Client(base_url=url, timeout=120)
        self._min_step_seconds = min_step_seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

    def of_panel(
        self, panel: Mapping[str, Any], span: Span, variables: Mapping[str, str]
    ) -> list[Line]:
        """Return all series of all queries of a panel."""
        start, end = span.start, span.end
        step = self._min_step_seconds or parse_duration(panel.get("interval", "15s"))
        step = max(step, (end - start) / _POINTS)
        times = {
            "__rate_interval": f"{max(60, step + 15):.0f}s",
            "__interval": f"{step:.0f}s",
            "__range": f"{end - start:.0f}s",
        }
        lines: list[Line] = []
        for target in panel["targets"]:
            query = filled(target["expr"], {**times, **variables})
            if target.get("instant") and not target.get("range"):
                result = self._ask("query", query=query, time=end)
            else:
                result = self._ask("query_range", query=query, start=start, end=end, step=step)
            for series in result:
                native = "histograms" in series or "histogram" in series
                lines += _bounds(target, series) if native else [_line(target, series)]
        return lines

    def _ask(self, endpoint: str, **parameters: str | float) -> list[dict[str, Any]]:
        answer = self._client.post(f"/api/v1/{endpoint}", data=parameters).json()
        if answer["status"] != "success":
            raise ValueError(f"{parameters['query']}: {answer['error']}")
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


def _bounds(target: Mapping[str, Any], series: Mapping[str, Any]) -> Iterator[Line]:
    """Yield a native histogram as the series of a classic one with the same bounds."""
    moments = series.get("histograms") or [series["histogram"]]
    buckets = [
        (
            float(time),
            [(float(above), float(count)) for _, _, above, count in told.get("buckets", ())],
        )
        for time, told in moments
    ]
    for bound in sorted({above for _, all_ in buckets for above, _ in all_}):
        points = [
            (time, sum(count for above, count in all_ if above <= bound)) for time, all_ in buckets
        ]
        yield Line(target["refId"], f"{bound:g}", {"le": f"{bound:g}"}, tuple(points))


def _line(target: Mapping[str, Any], series: Mapping[str, Any]) -> Line:
    labels = series["metric"]
    points = series.get("values") or [series["value"]]
    legend = target.get("legendFormat", "__auto")
    if legend == "__auto":
        name = ", ".join(f"{k}={v}" for k, v in labels.items() if k != "__name__")
    else:
        name = _LEGEND.sub(lambda match: labels.get(match[1], ""), legend)
    numbers = tuple((float(time), float(value)) for time, value in points)
    return Line(target["refId"], name, labels, numbers)
