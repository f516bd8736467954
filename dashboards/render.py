"""Draws pictures of the dashboards from the same JSON and queries, in the style of Grafana.

It doesn't replace Grafana, but it reveals an empty panel, a wrong unit or an unreadable legend.
``python -m dashboards.render --prometheus URL --out FOLDER [--var target=NAME ...]``
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dashboards.build import DASHBOARDS, as_json
from dashboards.drawing import CANVAS, DOTS_PER_INCH, draw
from dashboards.prometheus import Prometheus, Span

_CELL_INCHES = (0.62, 0.36)
_GAP = 0.12
"""Half of the gap between two panels, in grid cells."""
_HEADING = "#d8d9e6"


def picture(
    document: Mapping[str, Any], prometheus: Prometheus, span: Span, chosen: Mapping[str, str]
) -> Figure:
    """Draw a dashboard as one figure.

    :param chosen: the values of variables that allow only one value.
    """
    variables = {
        variable["name"]: ".+" if variable.get("multi") else chosen.get(variable["name"], "")
        for variable in document["templating"]["list"]
    }
    height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in document["panels"]) + 1
    size = (24 * _CELL_INCHES[0], height * _CELL_INCHES[1])
    figure = plt.figure(figsize=size, dpi=DOTS_PER_INCH, facecolor=CANVAS)
    figure.text(0.007, 1 - 0.62 / height, document["title"], fontsize=12, color=_HEADING)
    for panel in document["panels"]:
        axes = _place(figure, panel, height)
        if panel["type"] == "row":
            axes.axis("off")
            axes.text(0, 0.35, panel["title"], fontsize=10, weight="bold", color=_HEADING)
        else:
            draw(axes, panel, prometheus.of_panel(panel, span, variables))
    return figure


def _place(figure: Figure, panel: Mapping[str, Any], height: int) -> Axes:
    """Create axes for the panel's grid cells, counted from the top, with gaps between panels."""
    at = panel["gridPos"]
    left, bottom = (at["x"] + _GAP) / 24, 1 - (1 + at["y"] + at["h"] - _GAP) / height
    size = (at["w"] - 2 * _GAP) / 24, (at["h"] - 2 * _GAP) / height
    return figure.add_axes((left, bottom, *size))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dashboards.render", description=__doc__)
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--var", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--hours", type=float, default=6)
    parser.add_argument("--end", type=float, default=time.time(), help="Unix seconds; now")
    parser.add_argument("--min-step", type=float, help="seconds; as the panels say")
    options = parser.parse_args()
    span = Span(options.end - options.hours * 3600, options.end)
    chosen = dict(pair.split("=", 1) for pair in options.var)
    options.out.mkdir(parents=True, exist_ok=True)
    mpl.use("Agg")
    with Prometheus(options.prometheus, options.min_step) as prometheus:
        for build in DASHBOARDS:
            document = as_json(build())
            figure = picture(document, prometheus, span, chosen)
            figure.savefig(options.out / f"{document['uid']}.png")
            plt.close(figure)


if __name__ == "__main__":
    main()
