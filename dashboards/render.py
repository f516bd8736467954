"""Pictures of the dashboards: the same JSON and the same queries, drawn with matplotlib.

It is no Grafana, but it shows an empty panel, a wrong unit or an unreadable legend for what it is.
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
from dashboards.drawing import draw
from dashboards.prometheus import Prometheus, Span

_CELL_INCHES = (0.62, 0.36)


def picture(
    document: Mapping[str, Any], prometheus: Prometheus, span: Span, chosen: Mapping[str, str]
) -> Figure:
    """A dashboard as one figure; ``chosen`` are the values of variables that have one at a time."""
    variables = {
        variable["name"]: ".+" if variable.get("multi") else chosen.get(variable["name"], "")
        for variable in document["templating"]["list"]
    }
    height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in document["panels"]) + 1
    figure = plt.figure(figsize=(24 * _CELL_INCHES[0], height * _CELL_INCHES[1]), dpi=80)
    figure.text(0.006, 1 - 0.8 / height, document["title"], fontsize=13, weight="bold")
    for panel in document["panels"]:
        axes = _place(figure, panel, height)
        if panel["type"] == "row":
            axes.axis("off")
            axes.text(0, 0.3, panel["title"], fontsize=11, color="#335")
        else:
            draw(axes, panel, prometheus.of_panel(panel, span, variables))
    return figure


def _place(figure: Figure, panel: Mapping[str, Any], height: int) -> Axes:
    """The panel's cells, counted from the top, less room for its title and labels."""
    at = panel["gridPos"]
    is_row = panel["type"] == "row"
    left, right, above, below = (0.15, 0, 0, 0) if is_row else (0.75, 0.15, 0.8, 0.6)
    bottom = 1 - (1 + at["y"] + at["h"] - below) / height
    size = (at["w"] - left - right) / 24, (at["h"] - above - below) / height
    return figure.add_axes(((at["x"] + left) / 24, bottom, *size))


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
