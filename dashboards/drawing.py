"""One panel on one pair of axes, as near to Grafana's as serves to judge it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from dashboards.prometheus import Line

_MUTED = "#667"
_MOST_NAMES = 8


def draw(axes: Axes, panel: Mapping[str, Any], lines: Sequence[Line]) -> None:
    """Draw the panel with these series."""
    axes.set_title(panel["title"], fontsize=8, loc="left", color="#113", pad=3)
    shown = [line for line in lines if any(math.isfinite(value) for _, value in line.points)]
    if not shown:
        return _empty(axes, panel["fieldConfig"]["defaults"].get("noValue", "no data"))
    match panel["type"]:
        case "stat":
            _stat(axes, panel, shown)
        case "table":
            _table(axes, panel, shown)
        case "heatmap":
            _heatmap(axes, shown)
        case _:
            _lines(axes, panel, shown)
    return None


def text(value: float, unit: str) -> str:
    """A value as Grafana would write it."""
    if unit == "s":
        return _seconds(value)
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "currencyUSD":
        return f"${value:.3g}"
    if unit == "bytes":
        return f"{value / 2**20:.3g} MiB"
    if unit == "bool_yes_no":
        return "Yes" if value else "No"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value / 1000:.3g} K"


def _seconds(value: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 120), ("s", 1), ("ms", 1e-3)):
        if abs(value) >= length:
            return f"{value / (60 if unit == 'min' else length):.3g} {unit}"
    return f"{value * 1e6:.3g} µs" if value else "0 s"


def _empty(axes: Axes, words: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, words, ha="center", va="center", color=_MUTED, transform=axes.transAxes)


def _stat(axes: Axes, panel: Mapping[str, Any], lines: Sequence[Line]) -> None:
    _empty(axes, "")
    unit = panel["fieldConfig"]["defaults"]["unit"]
    named = panel["options"].get("textMode") == "name"
    parts = [line.name if named else text(_last(line), unit) for line in lines[:4]]
    if not named and len(lines) > 1:
        parts = [f"{part}  {line.name}" for part, line in zip(parts, lines, strict=False)]
    size = 15 if len(parts) == 1 and len(parts[0]) < 16 else 8
    color = _color(panel, _last(lines[0]))
    axes.text(
        0.5, 0.5, "\n".join(parts), ha="center", va="center", fontsize=size, color=color,
        transform=axes.transAxes,
    )  # fmt: skip


def _color(panel: Mapping[str, Any], value: float) -> str:
    steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return reached[-1] if reached else "#222"


def _lines(axes: Axes, panel: Mapping[str, Any], lines: Sequence[Line]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    style = defaults.get("custom", {})
    bottom: dict[float, float] = {}
    width = min(map(_step, lines)) * 0.9
    for line in lines:
        points = [point for point in line.points if math.isfinite(point[1])]
        times, values = [time for time, _ in points], [value for _, value in points]
        if style.get("drawStyle") == "bars":
            base = [bottom.get(time, 0.0) for time in times]
            axes.bar(times, values, bottom=base, width=width, label=line.name)
            bottom |= {time: b + v for time, b, v in zip(times, base, values, strict=True)}
        elif style.get("drawStyle") == "points":
            axes.plot(times, values, ".", markersize=3, label=line.name)
        else:
            axes.plot(times, values, linewidth=1, label=line.name)
    low, high = axes.get_ylim()
    if style.get("scaleDistribution", {}).get("type") == "log":
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(min(low, 0), high + (high - min(low, 0)) * 0.25)  # room for the legend
    unit = defaults["unit"]
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value, unit)))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _clock(value)))
    axes.tick_params(labelsize=6)
    axes.grid(alpha=0.25)
    if len(lines) <= _MOST_NAMES:
        axes.legend(fontsize=5.5, loc="upper left", framealpha=0.6, ncols=2)


def _heatmap(axes: Axes, lines: Sequence[Line]) -> None:
    bounds = sorted(lines, key=lambda line: float(line.labels["le"]))
    times = [time for time, _ in bounds[0].points]
    below = dict.fromkeys(times, 0.0)
    rows = []
    for line in bounds:
        counts = dict(line.points)
        rows.append([max(0.0, counts.get(time, 0) - below[time]) for time in times])
        below |= counts
    axes.imshow(rows, aspect="auto", origin="lower", cmap="Oranges")
    axes.set_xticks([])
    axes.set_yticks(range(len(bounds)), [line.labels["le"] for line in bounds], fontsize=5)


def _table(axes: Axes, panel: Mapping[str, Any], lines: Sequence[Line]) -> None:
    _empty(axes, "")
    names: dict[str, str] = panel["transformations"][2]["options"]["renameByName"]
    units, words = _overrides(panel, "unit"), _mappings(panel)
    keys = [
        name
        for name in panel["transformations"][1]["options"]["include"]["names"]
        if not name.startswith("Value")
    ]
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for line in lines:
        title = names[f"Value #{line.ref}"]
        row = tuple(line.labels.get(key, "") for key in keys)
        value = words.get(title, {}).get(f"{_last(line):g}")
        shown = value["text"] if value else text(_last(line), units.get(title, "short"))
        cells.setdefault(row, {})[title] = shown
    titles = list(names.values())
    content = [[*row, *(cells[row].get(title, "") for title in titles)] for row in sorted(cells)]
    table = axes.table(cellText=content, colLabels=[*keys, *titles], loc="upper center")
    table.auto_set_font_size(False)
    table.set_fontsize(7)


def _overrides(panel: Mapping[str, Any], setting: str) -> dict[str, Any]:
    """A setting of single columns, by their titles."""
    return {
        override["matcher"]["options"]: prop["value"]
        for override in panel["fieldConfig"]["overrides"]
        for prop in override["properties"]
        if prop["id"] == setting
    }


def _mappings(panel: Mapping[str, Any]) -> dict[str, Any]:
    return {title: maps[0]["options"] for title, maps in _overrides(panel, "mappings").items()}


def _last(line: Line) -> float:
    finite = [value for _, value in line.points if math.isfinite(value)]
    return finite[-1] if finite else math.nan


def _step(line: Line) -> float:
    times = [time for time, _ in line.points]
    return min((b - a for a, b in pairwise(times)), default=60.0)


def _clock(value: float) -> str:
    return datetime.fromtimestamp(value, UTC).strftime("%H:%M:%S")
