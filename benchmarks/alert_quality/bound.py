"""The earliest possible detection of a regression: the exact CUSUM for a known noise and rise.

No test with as few false alarms has a smaller worst-case mean delay (Lorden 1971, Moustakides
1986). Unlike any rule, it knows the distribution of the noise and the rise. Its probes are
independent, without runs and drift.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.alert_quality.noise import Noise

Array = npt.NDArray[np.float64]

_CELLS = 200
_STEP = 0.005
"""The step of the grid for the logarithms of the noise."""


def delay_in_probes(noise: Noise, rise: float, probes_per_false_alarm: float) -> float:
    """Return the mean number of probes until the fastest test detects a rise of the logarithm."""
    _, usual = noise.densities
    shift = round(rise / _STEP)
    slow = np.concatenate([np.full(shift, usual[0]), usual[:-shift]])
    floor = 1e-12
    gain = np.log((slow + floor) / (usual + floor))
    limit = _limit(gain, usual * _STEP, probes_per_false_alarm)
    return _run_length(gain, slow * _STEP, limit)


def _limit(gain: Array, weight: Array, run_length: float) -> float:
    """Find the limit of the sum that has this mean number of probes per false alarm."""
    low, high = 0.1, 2 * np.log(run_length)
    for _ in range(16):
        middle = (low + high) / 2
        if _run_length(gain, weight, middle) < run_length:
            low = middle
        else:
            high = middle
    return float(low + high) / 2


def _run_length(gain: Array, weight: Array, limit: float) -> float:
    """Return the mean number of probes until max(0, sum + gain) exceeds the limit.

    This solves Page's equation on a grid of cells.
    """
    width = limit / _CELLS
    state = np.arange(_CELLS) * width
    moves = np.zeros((_CELLS, _CELLS))
    for place, value in enumerate(state):
        after = np.maximum(value + gain, 0) / width
        low = np.floor(after).astype(int)
        part = after - low
        inside = low < _CELLS
        np.add.at(moves[place], low[inside], (weight * (1 - part))[inside])
        next_inside = low + 1 < _CELLS
        np.add.at(moves[place], low[next_inside] + 1, (weight * part)[next_inside])
    times = np.linalg.solve(np.eye(_CELLS) - moves, np.ones(_CELLS))
    return float(times[0])
