"""How soon each kind of incident was found, as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks.alert_quality.fleet import DURATION_MINUTES, Fleet, Kind
from benchmarks.alert_quality.judge import Found
from benchmarks.alert_quality.report import GOALS_MINUTES

_TICKS = {1: "1 min", 3: "3", 15: "15 min", 60: "1 h", 240: "4 h", 1440: "1 day", 4320: "3 days"}


def plot(fleet: Fleet, found: Sequence[Found], path: Path) -> None:
    """One dot per incident by the minutes until it was found; darker is a noisier target. What was
    not found is a cross where the incident ended."""
    mpl.rcParams["svg.hashsalt"] = "alert-quality"
    figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
    for place, kind in enumerate(reversed(Kind)):
        cases = [one for one in found if one.incident.kind is kind]
        for nth, one in enumerate(cases):
            height = place + (nth / max(1, len(cases) - 1) - 0.5) * 0.5
            noise = fleet.noise[one.incident.target]
            if one.minutes < math.inf:
                color = plt.get_cmap("viridis_r")(noise / 0.35)
                axes.plot(one.minutes, height, "o", color=color, markersize=5)
            else:
                axes.plot(DURATION_MINUTES[kind], height, "x", color="crimson", markersize=6)
        if goal := GOALS_MINUTES.get(kind):
            axes.plot([goal, goal], [place - 0.4, place + 0.4], color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_xticks(list(_TICKS), list(_TICKS.values()))
    axes.set_yticks(range(len(Kind)), list(reversed(Kind)))
    axes.set_xlabel("found after (bar: the goal; darker: noisier target; red cross: not found)")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
