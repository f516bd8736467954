"""Realistic noise: a narrow core with one-sided spikes, fitted to published series.

A latency is ``exp(core * z) * (1 + spike)``, where z is normal. A spike occurs with a probability,
and its size is exponential. docs/alert-quality.md shows the fits next to the data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

RUN_MINUTES = 5
WANDER = 0.1
WANDER_MINUTES = 30


@dataclass(frozen=True, slots=True)
class Draw:
    """Noise of targets by probes."""

    logarithms: Array
    """All of it; the median of the core is 0."""
    level: Array
    """The part of it that stays for minutes."""
    spiking: Flags


@dataclass(frozen=True)
class Noise:
    """The noise in the time to first token of a probe, relative to the median."""

    name: str
    core: float
    """The standard deviation of the logarithm without spikes."""
    spike_share: float
    spike_mean: float
    """The mean size of a spike, as a multiple of the median."""
    run_minutes: float = 0
    """The duration of runs of spikes in minutes; 0 for independent spikes."""
    wander: float = 0
    """The standard deviation of the drift within ``WANDER_MINUTES``."""

    def in_runs(self) -> Noise:
        return replace(self, name=f"{self.name}, runs", run_minutes=RUN_MINUTES)

    def wandering(self) -> Noise:
        return replace(self, name=f"{self.name}, wander", wander=WANDER)

    def draw(
        self, random: np.random.Generator, shape: tuple[int, int], minutes_per_probe: float
    ) -> Draw:
        """Draw the noise of targets by probes."""
        values = self.core * random.standard_normal(shape, dtype=np.float32)
        spiking, level = np.zeros(shape, bool), np.zeros(shape, np.float32)
        if self.spike_share:
            size = random.exponential(self.spike_mean, shape).astype(np.float32)
            spiking = self._spiking(random, shape, minutes_per_probe)
            values += np.log1p(np.where(spiking, size, 0))
        if self.wander:
            level = _wander(random, shape, self.wander, WANDER_MINUTES / minutes_per_probe)
        return Draw(np.asarray(values + level, dtype=np.float32), level, spiking)

    def again(self, random: np.random.Generator, level: Array, spiking: Flags) -> Array:
        """Draw once more, seconds later: the level has not moved, and a run has not ended."""
        values = level + self.core * random.standard_normal(level.shape, dtype=np.float32)
        if not self.run_minutes:
            spiking = random.random(level.shape, dtype=np.float32) < self.spike_share
        size = random.standard_exponential(level.shape, dtype=np.float32) * self.spike_mean
        return np.asarray(values + np.log1p(np.where(spiking, size, 0)), np.float32)

    def _spiking(
        self, random: np.random.Generator, shape: tuple[int, int], minutes_per_probe: float
    ) -> Flags:
        length = max(1, round(self.run_minutes / minutes_per_probe))
        starts = random.random(shape, dtype=np.float32) < self.spike_share / length
        spiking = starts.copy()
        for later in range(1, length):
            spiking[:, later:] |= starts[:, :-later]
        return spiking

    @cached_property
    def densities(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return a grid of logarithms and their density, without runs and drift."""
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
    """Return autocorrelated noise whose memory lasts this many probes."""
    keeps = float(np.exp(-1 / probes))
    steps = random.standard_normal(shape, dtype=np.float32) * (size * np.sqrt(1 - keeps**2))
    steps[:, 0] /= np.sqrt(1 - keeps**2)
    return autoregressive(steps, keeps)


def autoregressive(steps: Array, keeps: float) -> Array:
    """Add to each column a share of the previous one, by doubling: numpy has no recursion."""
    values, distance = steps.astype(np.float32), 1
    while keeps**distance > 1e-4 and distance < values.shape[1]:
        later = values.copy()
        later[:, distance:] += np.float32(keeps**distance) * values[:, :-distance]
        values, distance = later, distance * 2
    return values
