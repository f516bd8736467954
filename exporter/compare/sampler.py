"""Asks the targets, block by block."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from random import Random

from exporter.check import CHARACTERS_PER_TOKEN
from exporter.compare.prompts import Prompt
from exporter.compare.sample import Sample
from exporter.config import Plan
from exporter.pricing import cost_usd
from exporter.probe import run_probe
from exporter.result import NANOSECONDS, FailureReason, ProbeResult, Usage
from exporter.transport import Connections

PROBES_PER_BLOCK = 2
"""Of each target."""

_PAID_FAILURES = frozenset(
    {
        FailureReason.TIMEOUT_FIRST_TOKEN,
        FailureReason.TIMEOUT_STALL,
        FailureReason.TIMEOUT_TOTAL,
        FailureReason.TRUNCATED,
        FailureReason.PROTOCOL,
        FailureReason.TOO_LARGE,
        FailureReason.WRONG_ANSWER,
    }
)
_RETRY_SECONDS = 0.2
_COLD_SECONDS = 600.0
"""A model that is not ready by then has failed to start."""


class Sampler:
    """Asks several targets the same prompts; the first plan is the baseline's.

    In a block each target is asked twice, as in A B C C B A, so that whatever changes steadily
    during the block is the same for all. The next block begins with another target, so that none
    is always the one that is asked after the pause.
    """

    def __init__(self, plans: Sequence[Plan], prompts: Sequence[Prompt]) -> None:
        self._plans = tuple(plans)
        self._prompts: dict[str, list[Prompt]] = defaultdict(list)
        for prompt in prompts:
            self._prompts[prompt.stratum].append(prompt)
        self._connections = {plan.target.name: Connections(plan.target) for plan in plans}
        self.retry_after_seconds = 0.0
        """How long the targets wanted to be left alone after the latest block."""

    async def aclose(self) -> None:
        for connections in self._connections.values():
            await connections.retire()

    def order(self, block: int) -> tuple[Plan, ...]:
        """Whom a block asks, in turn."""
        first = block % len(self._plans)
        once = self._plans[first:] + self._plans[:first]
        return once + once[::-1]

    def prompt(self, block: int) -> Prompt:
        """Strata take turns; within one, all prompts are asked before any is asked again, each
        time in another order, so that what recurs elsewhere never meets the same prompts."""
        number, place = divmod(block, len(self._prompts))
        own = [*self._prompts.values()][place]
        turn, position = divmod(number, len(own))
        return Random(turn).sample(own, len(own))[position]

    def estimate_usd(self, block: int) -> float:
        """The most that a block is likely to cost."""
        return sum(self._estimate(plan, block) for plan in self.order(block))

    def paid_usd(self, sample: Sample) -> float:
        """What a probe cost. One that was answered without a count of tokens, or was broken off
        before it, is estimated: providers charge for it all the same."""
        if sample.cost_usd is not None:
            return sample.cost_usd
        if sample.failure is not None and sample.failure not in _PAID_FAILURES:
            return 0.0
        plan = next(plan for plan in self._plans if plan.target.name == sample.target)
        return self._estimate(plan, sample.block)

    def _estimate(self, plan: Plan, block: int) -> float:
        """Input by its characters, and all of the output that is allowed; nothing where there is
        no price."""
        characters = len(self.prompt(block).text)
        tokens = Usage(
            input=characters // CHARACTERS_PER_TOKEN + 1, output=plan.probe.max_output_tokens
        )
        return float(cost_usd(tokens, plan.target.price)) if plan.target.price else 0.0

    async def block(self, block: int) -> AsyncIterator[Sample]:
        """Ask everybody twice, one after the other."""
        prompt = self.prompt(block)
        self.retry_after_seconds = 0.0
        for plan in self.order(block):
            result = await self._ask(plan, prompt)
            wait = result.retry_after_seconds or 0.0
            self.retry_after_seconds = max(self.retry_after_seconds, wait)
            yield to_sample(plan, result, block, prompt.stratum)

    async def cold_round(self, number: int) -> AsyncIterator[Sample]:
        """Ask everybody once, until the model is ready; nobody has been asked for a while."""
        prompt = self.prompt(number)
        for plan in self.order(number)[: len(self._plans)]:
            yield await self._start_cold(plan, prompt, number)

    async def _ask(self, plan: Plan, prompt: Prompt) -> ProbeResult:
        return await run_probe(plan, prompt.text, self._connections[plan.target.name])

    async def _start_cold(self, plan: Plan, prompt: Prompt, number: int) -> Sample:
        first = result = await self._ask(plan, prompt)
        began = first.timeline.sent or first.timeline.start
        deadline = began + _COLD_SECONDS * NANOSECONDS
        while _is_loading(result) and result.timeline.start < deadline:
            await asyncio.sleep(_RETRY_SECONDS)
            result = await self._ask(plan, prompt)
        ready = result.timeline.first_token if result.success else None
        seconds = None if ready is None else (ready - began) / NANOSECONDS
        return to_sample(plan, result, number, prompt.stratum, cold=True, cold_start=seconds)


def _is_loading(result: ProbeResult) -> bool:
    return result.failure is not None and result.failure.reason is FailureReason.NOT_READY


def to_sample(
    plan: Plan,
    result: ProbeResult,
    block: int,
    stratum: str,
    *,
    cold: bool = False,
    cold_start: float | None = None,
) -> Sample:
    """What is kept of a result; times of successes only, and of those only certain ones."""
    usage, price, failure = result.usage, plan.target.price, result.failure
    certain = (result.uncertainty_seconds or 0.0) <= plan.max_uncertainty_seconds
    good = result.success and certain
    return Sample(
        target=result.target,
        block=block,
        stratum=stratum,
        finished_at=result.finished_at,
        failure=failure.reason.value if failure else None,
        detail=failure.detail if failure else "",
        uncertain=result.success and not certain,
        time_to_first_token_seconds=result.time_to_first_token_seconds if good else None,
        time_per_output_token_seconds=result.time_per_output_token_seconds if good else None,
        request_duration_seconds=result.request_duration_seconds if good else None,
        input_tokens=usage.input if usage else None,
        output_tokens=usage.output if usage else None,
        cost_usd=float(cost_usd(usage, price)) if usage and price else None,
        cold=cold,
        cold_start_seconds=cold_start,
    )
