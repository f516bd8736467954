"""Sends probes to the targets, block by block."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random

from exporter.cold.sequence import ColdSequence
from exporter.cold.warmth import WarmTimes
from exporter.compare.sample import Sample
from exporter.compare.sampling.prompts import Prompt
from exporter.config.plan import Plan
from exporter.net.transport import Connections
from exporter.observation import Observation, observed, worst_usd
from exporter.prices.price import TOKENS_PER_PRICE, ServerPrice
from exporter.probing.probe import run_probe
from exporter.providers.building import build_models
from exporter.result import NANOSECONDS, ProbeResult

_RETRY_SECONDS = 0.2
_COLD_SECONDS = 600.0
"""A model that isn't ready by then has failed to start."""


class Sampler:
    """Sends the same prompts to several targets. The first plan is the baseline.

    In a block, each target gets two probes, in the order A B C C B A, so that a steady drift
    during the block affects all targets equally. The next block begins with another target, so
    that no target is always the first after the pause.
    """

    def __init__(self, plans: Sequence[Plan], prompts: Sequence[Prompt]) -> None:
        self._plans = tuple(plans)
        build_models(plan.dialect for plan in plans)
        self._prompts: dict[str, list[Prompt]] = defaultdict(list)
        for prompt in prompts:
            self._prompts[prompt.stratum].append(prompt)
        self._connections = {plan.target.name: Connections(plan.target) for plan in plans}
        self.retry_after_seconds = 0.0
        """The longest wait that a target requested in the latest block."""

    async def aclose(self) -> None:
        for connections in self._connections.values():
            await connections.retire()

    def order(self, block: int) -> tuple[Plan, ...]:
        """Return the targets of a block, in order."""
        first = block % len(self._plans)
        once = self._plans[first:] + self._plans[:first]
        return once + once[::-1]

    def prompt(self, block: int) -> Prompt:
        """Return the prompt of a block. Strata take turns.

        Within a stratum, all prompts are used before any is used again, each time in another order.
        Otherwise a periodic influence could always affect the same prompts.
        """
        number, place = divmod(block, len(self._prompts))
        own = [*self._prompts.values()][place]
        turn, position = divmod(number, len(own))
        return Random(turn).sample(own, len(own))[position]

    @property
    def plans(self) -> tuple[Plan, ...]:
        return self._plans

    def worst_usd(self, block: int) -> float:
        """Return the maximum cost of a block."""
        asked = (_asking(plan, self.prompt(block)) for plan in self.order(block))
        return float(sum(map(worst_usd, asked)))

    async def block(self, block: int) -> AsyncIterator[Sample]:
        """Send two probes to every target, one at a time."""
        prompt = self.prompt(block)
        self.retry_after_seconds = 0.0
        for plan in self.order(block):
            result = await self._ask(plan, prompt)
            wait = result.retry_after_seconds or 0.0
            self.retry_after_seconds = max(self.retry_after_seconds, wait)
            yield to_sample(plan, result, block, prompt)

    def under_load(self, plan: Plan, prompt: Prompt, streams: int) -> Plan:
        """Return the plan of one of several concurrent streams.

        The streams share the hourly price of a server.
        """
        asking = _asking(plan, prompt)
        if isinstance(asking.price, ServerPrice):
            return replace(asking, price=replace(asking.price, concurrency=Decimal(streams)))
        return asking

    async def stream(
        self, plan: Plan, prompt: Prompt, block: int, streams: int, turn: int
    ) -> Sample:
        """Send one probe, as one of several concurrent streams."""
        started = time.time()
        asking = self.under_load(plan, prompt, streams)
        result = await self._ask(asking, prompt)
        return replace(
            to_sample(asking, result, block, prompt),
            stratum=", ".join(filter(None, (prompt.stratum, f"{streams} streams"))),
            streams=streams,
            turn=turn,
            started_at=started,
        )

    async def cold_round(self, number: int) -> AsyncIterator[Sample]:
        """Probe every idle target until its model is ready."""
        prompt = self.prompt(number)
        for plan in self.order(number)[: len(self._plans)]:
            yield await self._start_cold(plan, prompt, number)

    async def _ask(self, plan: Plan, prompt: Prompt) -> ProbeResult:
        return await run_probe(
            _asking(plan, prompt), prompt.text, self._connections[plan.target.name]
        )

    async def _start_cold(self, plan: Plan, prompt: Prompt, number: int) -> Sample:
        sequence = ColdSequence(after_idle=True)
        patient = replace(
            plan, timeouts=replace(plan.timeouts, total=_COLD_SECONDS, first_token=None)
        )
        result = await self._ask(patient, prompt)
        while sequence.take(result) and sequence.elapsed_seconds < _COLD_SECONDS:
            await asyncio.sleep(_RETRY_SECONDS)
            result = await self._ask(patient, prompt)
        seconds = sequence.coldness(result, WarmTimes()).duration_seconds
        return to_sample(plan, result, number, prompt, cold=True, cold_start=seconds)


def _asking(plan: Plan, prompt: Prompt) -> Plan:
    """Return the plan with this prompt."""
    update: dict[str, object] = {"prompt": prompt.text, "prompts_file": None}
    if prompt.max_output_tokens is not None:
        update["max_output_tokens"] = prompt.max_output_tokens
    return replace(plan, probe=plan.probe.model_copy(update=update))


def to_sample(
    plan: Plan,
    result: ProbeResult,
    block: int,
    prompt: Prompt,
    *,
    cold: bool = False,
    cold_start: float | None = None,
) -> Sample:
    """Convert a result to a sample. Only successes whose times are certain have times."""
    observation = observed(_asking(plan, prompt), result)
    usage, failure = result.usage, None if result.interrupted else result.failure
    cost = _cost_usd(observation)
    good = result.success and observation.certain
    return Sample(
        target=result.target,
        block=block,
        stratum=prompt.stratum,
        finished_at=result.finished_at,
        failure=failure.reason.value if failure else None,
        detail=failure.detail if failure else "",
        interrupted=result.interrupted,
        uncertain=result.success and not observation.certain,
        time_to_first_token_seconds=result.time_to_first_token_seconds if good else None,
        time_per_output_token_seconds=result.time_per_output_token_seconds if good else None,
        request_duration_seconds=result.request_duration_seconds if good else None,
        input_tokens=usage.input if usage else None,
        output_tokens=usage.output if usage else None,
        cost_usd=None if cost is None else float(cost),
        charged_usd=float(observation.cost.charged_usd),
        cold=cold,
        cold_start_seconds=cold_start,
    )


def _cost_usd(observation: Observation) -> Decimal | None:
    """Return the cost of the tokens or, for a server paid by the hour, of its time.

    A server's time costs money even if the request fails.
    """
    result, price = observation.result, observation.plan.price
    if isinstance(price, ServerPrice) and result.failure and not result.interrupted:
        return price.time_usd(_seconds_spent(result))
    per_million, usage = observation.cost.usd_per_million_output_tokens, result.usage
    if per_million is None or usage is None:
        return observation.cost.usd
    return per_million * usage.output / TOKENS_PER_PRICE


def _seconds_spent(result: ProbeResult) -> float:
    """Return how long the probe took, also if it failed."""
    times = result.timeline
    return ((times.over or times.start) - times.start) / NANOSECONDS
