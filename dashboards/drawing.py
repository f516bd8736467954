"""Draws a panel similar to Grafana's dark theme, close enough to review it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle, islice, pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from dashboards.formats import clock, round_times, text, ticks
from dashboards.prometheus import Line

CANVAS = "#111217"
_PANEL, _BORDER, _TEXT, _MUTED, _GRID = "#181b1f", "#2b2d33", "#ccccdc", "#9d9fa8", "#2a2c32"
_SERIES = (
    "#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#fade2a",
    "#37872d", "#e02f44", "#1f60c4", "#ffb357", "#8f3bb8", "#96d98d", "#ca95e5", "#c4162a",
)  # fmt: skip
_NAMED = {
    "green": "#73bf69", "yellow": "#f2cc0c", "orange": "#ff9830", "red": "#f2495c",
    "blue": "#5794f2", "text": _TEXT,
}  # fmt: skip
DOTS_PER_INCH = 96
_HEAT = ListedColormap(mpl.colormaps["inferno"](np.linspace(0.25, 1, 192)))
"""Without the dark colors, which the panel would hide."""
_POINTS_PER_DOT = 72 / DOTS_PER_INCH
_MOST_ROWS = 6
_TITLE, _ROW = 15.0, 9.5
"""The height of a title and of a legend row, in points."""


def frame(axes: Axes, title: str) -> None:
    """Draw the panel's background and its title. The axes cover the whole panel."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    width, height = _points(axes)
    axes.add_patch(
        FancyBboxPatch(
            (0, 0), 1, 1, boxstyle="round,pad=0,rounding_size=0.004", facecolor=_PANEL,
            edgecolor=_BORDER, linewidth=0.8, mutation_aspect=width / height,
        )
    )  # fmt: skip
    axes.text(7 / width, 1 - 5 / height, title, fontsize=8, weight="bold", color=_TEXT, va="top")


def draw(axes: Axes, panel: Mapping[str, Any], lines: Sequence[Line]) -> None:
    """Draw the panel with these series."""
    frame(axes, panel["title"])
    shown = [line for line in lines if any(math.isfinite(value) for _, value in line.points)]
    if not shown:
        words = panel["fieldConfig"]["defaults"].get("noValue", "No data")
        axes.text(0.5, 0.45, words, ha="center", va="center", color=_MUTED, fontsize=9)
        return
    match panel["type"]:
        case "stat":
            _stat(axes, panel, shown)
        case "table":
            _table(axes, panel, shown)
        case "heatmap":
            _heatmap(_plot(axes, 0), shown)
        case _:
            _lines(axes, panel, shown)


def _points(axes: Axes) -> tuple[float, float]:
    """Return the size of the axes in points."""
    box = axes.get_window_extent()
    return box.width * _POINTS_PER_DOT, box.height * _POINTS_PER_DOT


def _plot(axes: Axes, legend_rows: int) -> Axes:
    """Create axes within the panel, above its legend."""
    width, height = _points(axes)
    below = 20 + (legend_rows + 1) * _ROW if legend_rows else 20
    left, bottom, top = 42 / width, below / height, (_TITLE + 6) / height
    inner: Axes = axes.inset_axes((left, bottom, 1 - left - 10 / width, 1 - bottom - top))
    inner.set_facecolor(_PANEL)
    for spine in inner.spines.values():
        spine.set_visible(False)
    inner.tick_params(labelsize=6.5, colors=_MUTED, length=0, pad=3)
    inner.set_axisbelow(True)
    return inner


def _stat(axes: Axes, panel: Mapping[str, Any], lines: Sequence[Line]) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    named = panel["options"].get("textMode") == "name"
    if len(lines) == 1:
        shown = lines[0].name if named else text(_last(lines[0]), unit)
        size = 21 if len(shown) < 9 else 14 if len(shown) < 18 else 9
        color = _TEXT if named else _color(panel, _last(lines[0]))
        axes.text(0.5, 0.42, shown, ha="center", va="center", fontsize=size, color=color)
        return
    for number, line in enumerate(lines[:4]):
        at = 0.72 - 0.62 * (number + 0.5) / min(len(lines), 4)
        axes.text(0.06, at, line.name, va="center", fontsize=7, color=_MUTED)
        value = "" if named else text(_last(line), unit)
        color = _color(panel, _last(line))
        axes.text(0.94, at, value, va="center", ha="right", fontsize=8.5, color=color)


def _color(panel: Mapping[str, Any], value: float) -> str:
    steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return _NAMED.get(reached[-1], reached[-1]) if reached else _TEXT


def _lines(axes: Axes, panel: Mapping[str, Any], lines: Sequence[Line]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    style, unit = defaults.get("custom", {}), defaults["unit"]
    lines = [line for line in lines if line.name] or lines
    in_order = sorted(lines, key=lambda line: line.name)
    colors = [*islice(cycle(_SERIES), len(in_order))]
    plot = _plot(axes, min(len(in_order), _MOST_ROWS))
    stacked = style.get("drawStyle") == "bars"
    high = _bars(plot, in_order, colors) if stacked else _curves(plot, in_order, colors, style)
    low = min(0.0, *(value for line in in_order for _, value in _finite(line)))
    if style.get("scaleDistribution", {}).get("type") == "log":
        plot.set_yscale("log")
        plot.yaxis.set_minor_formatter(NullFormatter())
        plot.yaxis.set_minor_locator(NullLocator())
    else:
        places = ticks(low, high, unit)
        plot.set_ylim(min(low, places[0]), max(places[-1], high))
        plot.yaxis.set_major_locator(FixedLocator(places))
    plot.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value, unit)))
    times = [time for line in in_order for time, _ in line.points]
    plot.set_xlim(min(times), max(times) + 1)
    plot.xaxis.set_major_locator(FixedLocator(round_times(min(times), max(times))))
    plot.xaxis.set_major_formatter(FuncFormatter(lambda value, _: clock(value)))
    plot.grid(color=_GRID, linewidth=0.6)
    _legend(axes, in_order, colors, unit)


def _curves(
    plot: Axes, lines: Sequence[Line], colors: Sequence[str], style: Mapping[str, Any]
) -> float:
    """Draw lines or dots; return the highest value."""
    dots = style.get("drawStyle") == "points"
    for line, color in zip(lines, colors, strict=True):
        points = line.points if not dots else _finite(line)
        times, values = [time for time, _ in points], [value for _, value in points]
        look = {"marker": ".", "linestyle": "", "markersize": 3} if dots else {"linewidth": 1.1}
        plot.plot(times, values, color=color, **look)
        if not dots and len(lines) <= _MOST_ROWS:
            plot.fill_between(times, values, 0, color=color, alpha=0.06, linewidth=0)
    return max(value for line in lines for _, value in _finite(line))


def _bars(plot: Axes, lines: Sequence[Line], colors: Sequence[str]) -> float:
    """Draw stacked bars at the times that all series share; return the height of the highest."""
    times = sorted({time for line in lines for time, _ in line.points})
    step = min((b - a for a, b in pairwise(times)), default=60.0)
    bottom = dict.fromkeys(times, 0.0)
    for line, color in zip(lines, colors, strict=True):
        values = dict(_finite(line))
        heights = [values.get(time, 0.0) for time in times]
        base = [bottom[time] for time in times]
        plot.bar(times, heights, bottom=base, width=step * 0.8, color=color, alpha=0.85)
        bottom |= {time: bottom[time] + height for time, height in zip(times, heights, strict=True)}
    return max(bottom.values(), default=1.0)


def _legend(axes: Axes, lines: Sequence[Line], colors: Sequence[str], unit: str) -> None:
    """Draw the names of the series with their last and highest values, as in the panels."""
    width, height = _points(axes)
    rows = min(len(lines), _MOST_ROWS)
    shown = [
        (text(_last(line), unit), text(max(value for _, value in _finite(line)), unit))
        for line in lines[:rows]
    ]
    longest = max(len(highest) for _, highest in shown)
    columns = ((1 - max(52.0, 18 + 4.2 * longest) / width, "Last *"), (1 - 10 / width, "Max"))
    at = (rows * _ROW + 8) / height
    for x, name in columns:
        axes.text(x, at, name, fontsize=6, color=_MUTED, ha="right", va="center")
    for number, (line, color) in enumerate(zip(lines[:rows], colors, strict=False)):
        y = at - (number + 1) * _ROW / height
        axes.plot([8 / width, 18 / width], [y, y], color=color, linewidth=2)
        more = len(lines) - rows if number == rows - 1 else 0
        name = line.name + (f"   and {more} more" if more else "")
        axes.text(22 / width, y, name, fontsize=6.5, color=_TEXT, va="center")
        for (x, _), value in zip(columns, shown[number], strict=True):
            axes.text(x, y, value, fontsize=6.5, color=_TEXT, ha="right", va="center")


def _heatmap(plot: Axes, lines: Sequence[Line]) -> None:
    bounds = sorted(lines, key=lambda line: float(line.labels["le"]))
    times = [time for time, _ in bounds[0].points]
    below = dict.fromkeys(times, 0.0)
    rows = []
    for line in bounds:
        counts = dict(line.points)
        rows.append([max(0.0, counts.get(time, 0) - below[time]) or math.nan for time in times])
        below |= counts
    plot.imshow(rows, aspect="auto", origin="lower", cmap=_HEAT, interpolation="nearest")
    plot.set_xticks([])
    every = max(1, len(bounds) // 8)
    names = [
        "" if line.labels["le"] == "+Inf" else text(float(line.labels["le"]), "s")
        for line in bounds
    ]
    plot.set_yticks(range(0, len(bounds), every), names[::every])


def _table(axes: Axes, panel: Mapping[str, Any], lines: Sequence[Line]) -> None:
    titles, rows = _cells(panel, lines)
    width, height = _points(axes)
    row_height, left = 14 / height, 8 / width
    step = (1 - 2 * left) / len(titles)
    y = 1 - (_TITLE + 14) / height
    for number, title in enumerate(titles):
        axes.text(
            left + number * step, y, title, fontsize=7, weight="bold", color="#6e9fff", va="center"
        )
    for row in rows:
        axes.plot([left, 1 - left], [y - row_height / 2] * 2, color=_BORDER, linewidth=0.6)
        y -= row_height
        for number, cell in enumerate(row):
            axes.text(left + number * step, y, cell, fontsize=7, color=_TEXT, va="center")


def _cells(panel: Mapping[str, Any], lines: Sequence[Line]) -> tuple[list[str], list[list[str]]]:
    """Return the column titles and the rows of a table."""
    names: dict[str, str] = panel["transformations"][2]["options"]["renameByName"]
    units, words = _overrides(panel, "unit"), _mappings(panel)
    empty = _overrides(panel, "noValue")
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
    content = [
        [*row, *(cells[row].get(title, empty.get(title, "")) for title in titles)]
        for row in sorted(cells)
    ]
    return [*keys, *titles], content


def _overrides(panel: Mapping[str, Any], setting: str) -> dict[str, Any]:
    """Return the overrides of a setting, by column title."""
    return {
        override["matcher"]["options"]: prop["value"]
        for override in panel["fieldConfig"]["overrides"]
        for prop in override["properties"]
        if prop["id"] == setting
    }


def _mappings(panel: Mapping[str, Any]) -> dict[str, Any]:
    return {title: maps[0]["options"] for title, maps in _overrides(panel, "mappings").items()}


def _finite(line: Line) -> list[tuple[float, float]]:
    return [point for point in line.points if math.isfinite(point[1])]


def _last(line: Line) -> float:
    finite = _finite(line)
    return finite[-1][1] if finite else math.nan
