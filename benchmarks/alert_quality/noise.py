"""Noise as real providers have it: a narrow core with one-sided spikes, fitted to published series.

A latency is ``exp(core * z) * (1 + spike)``: z is normal, a spike comes with a probability and is
exponential. docs/alert-quality.md shows the fits beside the data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

RUN_MINUTES = 5
WANDER = 0.1
WANDER_MINUTES = 30


@dataclass(frozen=True)
class Noise:
    """What one probe's time to first token is made of, besides its median."""

    name: str
    core: float
    """Standard deviation of the logarithm where nothing spikes."""
    spike_share: float
    spike_mean: float
    """How many times the median a spike adds in the mean."""
    run_minutes: float = 0
    """How long spikes last that come in runs; 0: each probe spikes by itself."""
    wander: float = 0
    """Standard deviation of what drifts by itself within ``WANDER_MINUTES``."""

    def in_runs(self) -> Noise:
        return replace(self, name=f"{self.name}, runs", run_minutes=RUN_MINUTES)

    def wandering(self) -> Noise:
        return replace(self, name=f"{self.name}, wander", wander=WANDER)

    def logarithms(
        self, random: np.random.Generator, shape: tuple[int, int], minutes_per_probe: float
    ) -> Array:
        """Of targets by probes, 0 in the median of the core."""
        values = self.core * random.standard_normal(shape, dtype=np.float32)
        if self.spike_share:
            size = random.exponential(self.spike_mean, shape).astype(np.float32)
            values += np.log1p(np.where(self._spiking(random, shape, minutes_per_probe), size, 0))
        if self.wander:
            values += _wander(random, shape, self.wander, WANDER_MINUTES / minutes_per_probe)
        return np.asarray(values, dtype=np.float32)

    def _spiking(
        self, random: np.random.Generator, shape: tuple[int, int], minutes_per_probe: float
    ) -> npt.NDArray[np.bool_]:
        length = max(1, round(self.run_minutes / minutes_per_probe))
        starts = random.random(shape, dtype=np.float32) < self.spike_share / length
        spiking = starts.copy()
        for later in range(1, length):
            spiking[:, later:] |= starts[:, :-later]
        return spiking

    @cached_property
    def densities(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The logarithms of a probe on a grid, and how dense they lie; without runs and wander."""
        step = 0.005
        grid = np.arange(-2, 5, step)
        core = np.exp(-((grid / self.core) ** 2) / 2)
        spike = np.where(grid > 0, np.exp(grid - np.expm1(grid) / self.spike_mean), 0)
        kernel = np.exp(-((np.arange(-1.5, 1.5 + step, step) / self.core) ** 2) / 2)
        smeared = np.convolve(spike, kernel, mode="same")
        density = (1 - self.spike_share) * core / core.sum()
        density = density + self.spike_share * smeared / smeared.sum()
        return grid, density / (density.sum() * step)


STEADY = Noise("steady", 0.10, 0.15, 0.5)
TYPICAL = Noise("typical", 0.15, 0.04, 3)
SPIKY = Noise("spiky", 0.15, 0.12, 2.5)
VERY_NOISY = Noise("very noisy", 0.30, 0.15, 3)
PRESETS = (STEADY, TYPICAL, SPIKY, VERY_NOISY)


def _wander(
    random: np.random.Generator, shape: tuple[int, int], size: float, probes: float
) -> Array:
    """Noise that forgets itself within so many probes."""
    keeps = float(np.exp(-1 / probes))
    steps = random.standard_normal(shape, dtype=np.float32) * (size * np.sqrt(1 - keeps**2))
    steps[:, 0] /= np.sqrt(1 - keeps**2)
    return autoregressive(steps, keeps)


def autoregressive(steps: Array, keeps: float) -> Array:
    """Each column keeps a share of the one before it; by doubling, since numpy has no recursion."""
    values, distance = steps.astype(np.float32), 1
    while keeps**distance > 1e-4 and distance < values.shape[1]:
        later = values.copy()
        later[:, distance:] += np.float32(keeps**distance) * values[:, :-distance]
        values, distance = later, distance * 2
    return values
