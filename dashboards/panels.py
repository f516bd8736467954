"""Creates panels from a title, a description, a unit and queries, in a common style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    ScaleDistribution,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="$datasource")

SECONDS = "s"
RATIO = "percentunit"
USD = "currencyUSD"
COUNT = "short"

EMPTY = "no data"
MIN_STEP = "5m"
"""The minimum time between two points, so that each covers several probes at the usual interval."""

P = TypeVar("P", timeseries.Panel, stat.Panel, table.Panel, heatmap.Panel)


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and the legend of its series."""

    expression: str
    legend: str = "__auto"
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """The title of a panel and the description in its tooltip."""

    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Steps:
    """The values at which green turns to orange and red; if less is worse, ``red`` is lower."""

    orange: float
    red: float

    def build(self) -> ThresholdsConfig:
        if self.orange < self.red:
            colors = [(None, "green"), (self.orange, "orange"), (self.red, "red")]
        else:
            colors = [(None, "red"), (self.red, "orange"), (self.orange, "green")]
        steps = [models.Threshold(value, color) for value, color in colors]
        return ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


SLOW = Steps(orange=0.2, red=0.5)
"""Slowdowns relative to usual."""
GOOD = Steps(orange=0.99, red=0.95)
"""Success ratios: green above 99 %, orange above 95 %, red below."""


def over_time(
    text: Text,
    unit: str,
    *queries: Query,
    width: int = 12,
    stacked: bool = False,
    dots: bool = False,
    log: bool = False,
    empty: str = EMPTY,
) -> timeseries.Panel:
    """Create a time series panel.

    :param stacked: show stacked bars.
    :param dots: show single measurements.
    :param empty: the text to show without data.
    """
    panel = _described(timeseries.Panel(), text, unit, width, 8)
    panel = panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(LegendDisplayMode.TABLE)
        .placement(LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
    )
    panel = panel.tooltip(
        common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    )
    panel = panel.line_width(1.5).fill_opacity(0).show_points(VisibilityMode.NEVER)
    panel = panel.axis_soft_min(0).span_nulls(False).no_value(empty).interval(MIN_STEP)
    if stacked:
        stacking = common.StackingConfig().mode(StackingMode.NORMAL).group("A")
        panel = panel.draw_style(GraphDrawStyle.BARS).fill_opacity(80).stacking(stacking)
    if dots:
        panel = panel.draw_style(GraphDrawStyle.POINTS).show_points(VisibilityMode.ALWAYS)
        panel = panel.point_size(4).interval("15s")
    if log:
        scale = common.ScaleDistributionConfig()
        panel = panel.scale_distribution(scale.type(ScaleDistribution.LOG).log(10))
    for ref, query in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(_target(query, ref).range().exemplar(query.exemplars))
    return panel


def number(
    text: Text,
    unit: str,
    query: Query,
    *,
    steps: Steps | None = None,
    width: int = 4,
    empty: str = EMPTY,
) -> stat.Panel:
    """Create a panel with the current value and a sparkline."""
    panel = _described(stat.Panel(), text, unit, width, 4)
    options = common.ReduceDataOptions().calcs(["lastNotNull"])
    panel = panel.reduce_options(options).graph_mode(BigValueGraphMode.AREA)
    if steps:
        panel = panel.thresholds(steps.build()).color_mode(BigValueColorMode.VALUE)
    else:
        panel = panel.color_mode(BigValueColorMode.NONE)
    return panel.no_value(empty).with_target(_target(query, "A").range())


def label(text: Text, query: Query, *, width: int = 4) -> stat.Panel:
    """Create a panel that shows the legend of a series instead of its value."""
    panel = _described(stat.Panel(), text, "none", width, 4)
    panel = panel.text_mode(BigValueTextMode.NAME).graph_mode(BigValueGraphMode.NONE)
    panel = panel.color_mode(BigValueColorMode.NONE)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return panel.with_target(_target(query, "A").instant())


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, with its own query."""

    title: str
    unit: str
    expression: str
    steps: Steps | None = None
    on_off: tuple[str, str] | None = None
    """The words to show instead of 0 and 1."""
    empty: str = EMPTY
    """The word to show without a value."""


def rows(
    text: Text,
    keys: Sequence[str],
    columns: Sequence[Column],
    *,
    link: models.DashboardLink | None = None,
    height: int = 9,
) -> table.Panel:
    """Create a table with a row for each combination of ``keys`` and a column for each measure."""
    panel = _described(table.Panel(), text, "short", 24, height)
    names: dict[str, str] = {}
    for ref, column in zip("ABCDEFGHIJKL", columns, strict=False):
        target = _target(Query(column.expression), ref)
        panel = panel.with_target(target.instant().format(PromQueryFormat.TABLE))
        names[f"Value #{ref}"] = column.title
        panel = panel.override_by_name(column.title, _cell(column))
    if link:
        panel = panel.override_by_name(keys[0], [models.DynamicConfigValue("links", [link])])
    order = {name: place for place, name in enumerate([*keys, *names])}
    kept = models.DataTransformerConfig(
        id_val="filterFieldsByName",
        options={"include": {"names": [*keys, *names]}},
    )
    merged = models.DataTransformerConfig(id_val="merge", options={})
    named = models.DataTransformerConfig(
        id_val="organize", options={"indexByName": order, "renameByName": names}
    )
    for transformation in (merged, kept, named):
        panel = panel.with_transformation(transformation)
    return panel


def distribution(text: Text, unit: str, expression: str, *, width: int = 12) -> heatmap.Panel:
    """Create a heatmap of a histogram's buckets over time."""
    panel = _described(heatmap.Panel(), text, unit, width, 8)
    color = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
    panel = (
        panel.calculate(False)
        .interval(MIN_STEP)
        .color(color)
        .y_axis(heatmap.YAxisConfig().unit(unit))
    )
    target = _target(Query(expression, "{{le}}"), "A").range().format(PromQueryFormat.HEATMAP)
    return panel.with_target(target)


def _described(panel: P, text: Text, unit: str, width: int, height: int) -> P:
    panel = panel.title(text.title).description(text.description).datasource(DATASOURCE)
    return panel.unit(unit).no_value(EMPTY).span(width).height(height)


def _target(query: Query, ref: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expression).ref_id(ref)
    return target.legend_format(query.legend).datasource(DATASOURCE)


def _cell(column: Column) -> list[models.DynamicConfigValue]:
    settings = [models.DynamicConfigValue("unit", column.unit)]
    if column.empty != EMPTY:
        settings.append(models.DynamicConfigValue("noValue", column.empty))
    if column.steps:
        settings.append(models.DynamicConfigValue("thresholds", column.steps.build().build()))
        settings.append(_COLORED_TEXT)
    if column.on_off:
        off, on = column.on_off
        words = {
            "0": models.ValueMappingResult(text=off, color="red"),
            "1": models.ValueMappingResult(text=on, color="green"),
        }
        settings.append(models.DynamicConfigValue("mappings", [models.ValueMap(words)]))
        settings.append(_COLORED_TEXT)
    return settings


_COLORED_TEXT = models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"})
