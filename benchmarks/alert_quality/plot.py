"""Plots the detection times of regressions next to the earliest possible ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.alert_quality.fleet import Kind
from benchmarks.alert_quality.judge import Verdict
from benchmarks.alert_quality.report import bound_minutes

_TICKS = {1: "1 min", 2: "2", 5: "5", 10: "10", 20: "20", 60: "1 h", 240: "4 h"}
_KINDS = {Kind.TTFT_50: "tab:blue", Kind.TTFT_100: "tab:orange"}


def plot(verdicts: Sequence[Verdict], path: Path) -> None:
    """Draw a bar from the 10th to the 90th percentile with the median for each noise.

    A black line shows the earliest possible detection. Undetected regressions reach the right edge.
    """
    mpl.rcParams["svg.hashsalt"] = "alert-quality"
    shown = [verdict for verdict in verdicts if verdict.world.incidents]
    figure, axes = plt.subplots(figsize=(9, 0.42 * len(shown) + 1.2), layout="constrained")
    for place, verdict in enumerate(reversed(shown)):
        for side, (kind, color) in zip((0.17, -0.17), _KINDS.items(), strict=True):
            delays = [min(delay, 240.0) for delay in verdict.delays[kind]]
            low, median, high = np.quantile(delays, (0.1, 0.5, 0.9))
            axes.plot([low, high], [place + side] * 2, color=color, linewidth=5, alpha=0.35)
            if median < math.inf:
                axes.plot(median, place + side, "o", color=color, markersize=6)
            least = max(1.0, bound_minutes(verdict, kind))
            axes.plot([least] * 2, [place + side - 0.15, place + side + 0.15], color="black")
    for kind, color in _KINDS.items():
        axes.plot([], [], "o-", color=color, label=str(kind))
    axes.plot([], [], color="black", label="exact CUSUM, independent probes")
    axes.legend(loc="lower right", fontsize=8)
    axes.set_xscale("log")
    axes.set_xticks(list(_TICKS), list(_TICKS.values()))
    axes.set_yticks(range(len(shown)), [verdict.world.name for verdict in reversed(shown)])
    axes.set_xlabel("found after: median, 10 to 90 %; the right edge is not found")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
