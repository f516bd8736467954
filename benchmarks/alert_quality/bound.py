"""How soon a regression can be known at all: the exact CUSUM of known noise and a known rise.

No test that raises as few false alarms has a smaller worst mean delay (Lorden 1971, Moustakides
1986). It knows what no rule knows, the noise's distribution and the rise; its probes are
independent, without runs and wander.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.alert_quality.noise import Noise

Array = npt.NDArray[np.float64]

_CELLS = 200
_STEP = 0.005
"""Of the noise's grid of logarithms."""


def delay_in_probes(noise: Noise, rise: float, probes_per_false_alarm: float) -> float:
    """Mean probes until the quickest test knows a rise of the logarithm."""
    _, usual = noise.densities
    shift = round(rise / _STEP)
    slow = np.concatenate([np.full(shift, usual[0]), usual[:-shift]])
    floor = 1e-12
    gain = np.log((slow + floor) / (usual + floor))
    limit = _limit(gain, usual * _STEP, probes_per_false_alarm)
    return _run_length(gain, slow * _STEP, limit)


def _limit(gain: Array, weight: Array, run_length: float) -> float:
    """The limit of the sum at which a false alarm comes as rarely as that."""
    low, high = 0.1, 2 * np.log(run_length)
    for _ in range(16):
        middle = (low + high) / 2
        if _run_length(gain, weight, middle) < run_length:
            low = middle
        else:
            high = middle
    return float(low + high) / 2


def _run_length(gain: Array, weight: Array, limit: float) -> float:
    """Mean probes until max(0, sum + gain) passes the limit: Page's equation on a grid of cells."""
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
