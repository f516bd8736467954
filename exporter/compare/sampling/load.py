"""Sends probes in concurrent streams, level by level, with the sides in turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exporter.compare.sample import PROBES_PER_BLOCK, Sample
from exporter.compare.samples_file import Recorder
from exporter.compare.sampling.hopeless import Hopeless
from exporter.compare.sampling.prompts import Prompt
from exporter.compare.sampling.sampler import Sampler
from exporter.compare.sampling.session import Follower
from exporter.config.plan import Plan
from exporter.observation import worst_usd
from exporter.result import FailureReason

_TURNS = 2
"""The number of turns of each side at a level, as in A B B A."""
_REQUESTS_PER_STREAM = 10
_FEWEST = 80
_MOMENT = 0.01
LIMITED = frozenset({FailureReason.RATE_LIMITED.value, FailureReason.QUOTA.value})
"""After such a failure, more streams would measure the limit and not the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadLimits:
    """The limits of a comparison under load."""

    levels: tuple[int, ...]
    """The number of concurrent streams at each level, in order."""
    probes: int | None = None
    """Probes of each side at each level; ``None`` for ten per stream, and at least 80."""
    max_requests: int | None = None
    """The maximum number of requests of all sides at all levels together."""
    budget_usd: float | None = None

    def blocks(self, streams: int) -> int:
        """Return the number of blocks of each side at a level, a multiple of its turns."""
        wanted = self.probes or max(_FEWEST, _REQUESTS_PER_STREAM * streams)
        return -(-wanted // (PROBES_PER_BLOCK * _TURNS)) * _TURNS

    def requests(self, sides: int) -> int:
        """Return the number of requests of all sides at all levels, up to ``max_requests``."""
        all_ = sides * PROBES_PER_BLOCK * sum(map(self.blocks, self.levels))
        return min(all_, self.max_requests or all_)

    def per_side(self, sides: int) -> dict[int, int]:
        """Count the requests of each side at each level, within ``max_requests``."""
        found, left = {}, self.requests(sides)
        for streams in self.levels:
            found[streams] = min(PROBES_PER_BLOCK * self.blocks(streams), left // sides)
            left -= sides * found[streams]
        return found


@dataclass(frozen=True, slots=True)
class _Request:
    plan: Plan
    prompt: Prompt
    block: int
    streams: int
    turn: int


class LoadSession:
    """Sends requests at all levels until a limit is reached.

    It continues where an earlier session of the same comparison was interrupted.
    """

    def __init__(self, limits: LoadLimits, earlier: Sequence[Sample]) -> None:
        self.samples = list(earlier)
        self.stopped_because = ""
        self._limits = limits
        self._spent = sum(sample.charged_usd for sample in earlier)
        self._held = 0.0
        self._under_way = 0
        self._started = len(earlier)
        self._done = Counter((s.target, s.streams, s.block) for s in earlier)
        self._hopeless = Hopeless(earlier, pardoned=LIMITED)
        self._limited = {s.target for s in earlier if s.failure in LIMITED}

    async def run(self, sampler: Sampler, recorder: Recorder, follower: Follower) -> None:
        """Send requests at every level. A side that limits the rate skips the later levels.

        :raises SamplesError: a sample can't be written.
        :raises SamplingError: a target only fails.
        """
        first_block = 0
        for streams in self._limits.levels:
            blocks = self._limits.blocks(streams)
            asked = [plan for plan in sampler.plans if plan.target.name not in self._limited]
            for turn in range(_TURNS):
                for plan in asked if turn % 2 == 0 else asked[::-1]:
                    numbers = range(turn * blocks // _TURNS, (turn + 1) * blocks // _TURNS)
                    requests = self._requests(sampler, plan, streams, turn, numbers, first_block)
                    await self._ask_all(sampler, requests, streams, recorder, follower)
                    self._hopeless.check(plan.target.name)
            first_block += blocks
            if self.stopped_because:
                return

    def _requests(
        self,
        sampler: Sampler,
        plan: Plan,
        streams: int,
        turn: int,
        numbers: range,
        first_block: int,
    ) -> Iterator[_Request]:
        """Yield the remaining requests, two per block; stop early at a limit."""
        name = plan.target.name
        for number in numbers:
            block = first_block + number
            for _ in range(PROBES_PER_BLOCK - self._done[name, streams, block]):
                request = _Request(plan, sampler.prompt(number), block, streams, turn)
                if name in self._limited or self.stopped_because:
                    return
                most = self._limits.max_requests
                if most is not None and self._started >= most:
                    self.stopped_because = f"--max-requests allows {most}"
                    return
                yield request

    async def _may_ask(self, worst: float) -> bool:
        """Whether the budget allows a request; may wait for the cost of running requests."""
        budget = self._limits.budget_usd
        while budget is not None and self._spent + self._held + worst > budget:
            if not self._under_way:
                self.stopped_because = (
                    f"the budget of {budget:g} USD does not allow another request"
                )
                return False
            await asyncio.sleep(_MOMENT)
        return True

    def _worst_usd(self, sampler: Sampler, request: _Request) -> float:
        return float(worst_usd(sampler.under_load(request.plan, request.prompt, request.streams)))

    async def _ask_all(
        self,
        sampler: Sampler,
        requests: Iterator[_Request],
        streams: int,
        recorder: Recorder,
        follower: Follower,
    ) -> None:
        async def stream() -> None:
            for request in requests:
                self._started += 1
                worst = self._worst_usd(sampler, request)
                if not await self._may_ask(worst):
                    return
                self._held += worst
                self._under_way += 1
                sample = await sampler.stream(
                    request.plan, request.prompt, request.block, request.streams, request.turn
                )
                self._held -= worst
                self._under_way -= 1
                self._take(sample, recorder, follower)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(streams):
                    group.create_task(stream())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def _take(self, sample: Sample, recorder: Recorder, follower: Follower) -> None:
        recorder.add(sample)
        self.samples.append(sample)
        self._spent += sample.charged_usd
        self._hopeless.take(sample)
        if sample.failure in LIMITED:
            self._limited.add(sample.target)
        follower.sampled(sample, self._spent)
