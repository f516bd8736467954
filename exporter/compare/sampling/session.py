"""Runs a live comparison from the first block to the last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from exporter.compare.sample import PROBES_PER_BLOCK, Sample
from exporter.compare.samples_file import Recorder
from exporter.compare.sampling.hopeless import Hopeless
from exporter.compare.sampling.sampler import Sampler

Enough = Callable[[int, Sequence[Sample]], bool]

_LONGEST_WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a live comparison."""

    probes: int
    """The maximum number of probes of each target; a whole number of blocks."""
    is_enough: Enough | None = None
    """Tells whether the samples so far decide the comparison; ``None`` to use all probes."""
    budget_usd: float | None = None
    pause_seconds: float = 0.0
    """Pause between blocks."""
    cold_idle_seconds: float | None = None
    """How long the targets stay idle before each cold probe; ``None`` for no cold probes."""
    cold_rounds: int = 0


class Follower(Protocol):
    """Shows the progress of a comparison."""

    def sampled(self, sample: Sample, spent_usd: float) -> None: ...

    def waiting(self, seconds: float, why: str) -> None: ...


class Session:
    """Collects samples until a limit is reached.

    It continues where an earlier session of the same comparison was interrupted.
    """

    def __init__(self, limits: Limits, earlier: Iterable[Sample]) -> None:
        self.samples = list(earlier)
        self.stopped_because = ""
        self._limits = limits
        self._spent = 0.0
        self._hopeless = Hopeless(self.samples)

    async def run(self, sampler: Sampler, recorder: Recorder, follower: Follower) -> None:
        """Collect samples until a limit is reached.

        :raises SamplingError: a target only fails.
        """
        self._spent = sum(sample.charged_usd for sample in self.samples)
        async for sample in self._all(sampler, follower):
            recorder.add(sample)
            self.samples.append(sample)
            self._spent += sample.charged_usd
            follower.sampled(sample, self._spent)
            self._hopeless.take(sample)
            self._hopeless.check(sample.target)

    async def _all(self, sampler: Sampler, follower: Follower) -> AsyncIterator[Sample]:
        async for sample in self._warm(sampler, follower):
            yield sample
        idle = self._limits.cold_idle_seconds
        if idle is not None and not self.stopped_because.startswith("the budget"):
            async for sample in self._cold(sampler, follower, idle):
                yield sample

    async def _warm(self, sampler: Sampler, follower: Follower) -> AsyncIterator[Sample]:
        first = self._next(cold=False)
        for block in range(first, self._limits.probes // PROBES_PER_BLOCK):
            if self._enough(block) or self._over_budget(sampler, block):
                return
            if block > first:
                await self._pause(sampler, follower)
            async for sample in sampler.block(block):
                yield sample

    async def _cold(
        self, sampler: Sampler, follower: Follower, idle_seconds: float
    ) -> AsyncIterator[Sample]:
        for number in range(self._next(cold=True), self._limits.cold_rounds):
            if self._over_budget(sampler, number):
                return
            follower.waiting(idle_seconds, "to let the models go cold")
            await asyncio.sleep(idle_seconds)
            async for sample in sampler.cold_round(number):
                yield sample

    async def _pause(self, sampler: Sampler, follower: Follower) -> None:
        asked = min(sampler.retry_after_seconds, _LONGEST_WAIT_SECONDS)
        if asked > self._limits.pause_seconds:
            follower.waiting(asked, "because a provider asked for it")
        await asyncio.sleep(max(asked, self._limits.pause_seconds))

    def _next(self, *, cold: bool) -> int:
        """Return the first block without samples."""
        return max((s.block + 1 for s in self.samples if s.cold is cold), default=0)

    def _over_budget(self, sampler: Sampler, block: int) -> bool:
        budget = self._limits.budget_usd
        if budget is None or self._spent + sampler.worst_usd(block) <= budget:
            return False
        self.stopped_because = f"the budget of {budget:g} USD does not allow another block"
        return True

    def _enough(self, blocks: int) -> bool:
        """Whether the samples so far decide the comparison."""
        probes = blocks * PROBES_PER_BLOCK
        if not self._limits.is_enough or not self._limits.is_enough(probes, self.samples):
            return False
        self.stopped_because = f"every verdict was certain enough after {probes} probes"
        return True
