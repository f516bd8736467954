"""What each metric takes from an observation.

Four rules decide what counts:

1. Times count only if they are certain and come from a warm model that answered successfully. A
   failure has no times, a cold answer has its own metrics, and a time that the exporter read too
   late is unusable.
2. A probe that was interrupted because the exporter itself didn't run has no outcome, because it
   says nothing about the provider.
3. A confirming probe has its own metrics. It was sent because of earlier results, so it would bias
   every ratio and every quantile.
4. Tokens and money always count, because they are spent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

from exporter.coldness import Coldness, ColdSignal
from exporter.kinds import Kind
from exporter.metrics.family import Take, Taken
from exporter.observation import Observation, Occasion
from exporter.prices.price import earlier_cost_usd, finished_cost_usd
from exporter.result import FailureReason, RateLimit

PHASES = ("dns", "tcp", "tls")
CACHES = ("cold", "cached")
OUTCOMES = ("success", "failure")
TOOL_CALL_OUTCOMES = ("right", "missing", "wrong")
RANKING_OUTCOMES = ("right", "wrong")
EVIDENCE_MEASURES = ("success", "time_to_first_token")
TOKEN_TYPES = ("input", "cached_input", "cache_write", "output", "reasoning")

Number = Callable[[Observation], float | None]
Flow = Iterable[Taken]


def one(number: Number) -> Take:
    """Take a number whenever there is one, for a family without its own labels."""

    def take(observation: Observation) -> Flow:
        value = number(observation)
        return () if value is None else (((), value),)

    return take


def timed(number: Number) -> Take:
    """Take a number only if the observation shows the speed of the warm model."""
    return one(lambda o: number(o) if _tells_times(o) else None)


def latest(number: Number) -> Take:
    """Take the number of the latest observation, or NaN if it has none.

    A cold success says nothing about the warm model, so the previous number stays.
    """

    def take(observation: Observation) -> Flow:
        if not observation.counts or _is_cold_success(observation):
            return ()
        value = number(observation) if _tells_times(observation) else None
        return (((), math.nan if value is None else value),)

    return take


def gaps(observation: Observation) -> Flow:
    if not _tells_times(observation):
        return ()
    return [((), gap) for gap in observation.result.inter_chunk_latencies_seconds]


def phases(observation: Observation) -> Flow:
    """Take the connection phases. They also count for a cold answer, whose connection is like any
    other."""
    connection = observation.result.connection
    if connection and (_tells_times(observation) or _is_cold_success(observation)):
        for phase in PHASES:
            seconds = getattr(connection, f"{phase}_seconds")
            if seconds is not None:
                yield (phase,), seconds


def outcome(observation: Observation) -> Flow:
    if observation.counts:
        yield _outcome(observation), 1


def confirmation(observation: Observation) -> Flow:
    if observation.occasion is Occasion.CONFIRMING and not observation.result.interrupted:
        yield _outcome(observation), 1


def reason(observation: Observation) -> Flow:
    failure = observation.result.failure
    if failure and observation.counts:
        yield (failure.reason,), 1


def uncertain(observation: Observation) -> float | None:
    result = observation.result
    unusable = result.success and not observation.cold and not observation.certain
    usual = observation.occasion is Occasion.USUAL
    return 1 if usual and (unusable or result.interrupted) else None


def last_success(observation: Observation) -> float | None:
    return observation.result.success if observation.counts else None


def last_timestamp(observation: Observation) -> float | None:
    return observation.result.finished_at if observation.counts else None


def tokens(observation: Observation) -> Flow:
    for usage in (observation.result.earlier_usage, observation.result.usage):
        if usage:
            yield from (((type_,), max(0, getattr(usage, type_))) for type_ in TOKEN_TYPES)


def prefix_times(observation: Observation) -> Flow:
    measures = observation.result.measures
    if _tells_times(observation):
        for cache, seconds in zip(
            CACHES,
            (measures.cold_first_token_seconds, measures.cached_first_token_seconds),
            strict=True,
        ):
            if seconds is not None:
                yield (cache,), seconds


def prefix_saved_usd(observation: Observation) -> float | None:
    """Return how much cheaper the prompt was when it was repeated."""
    price, result = observation.plan.price, observation.result
    cold = earlier_cost_usd(result, price)
    again = finished_cost_usd(result, price)
    return None if cold is None or again is None else float(cold - again)


def model_listed(observation: Observation) -> float | None:
    if observation.plan.probe.kind is not Kind.MODELS:
        return None
    failure = observation.result.failure
    return None if failure and failure.reason is not FailureReason.NOT_FOUND else not failure


def tool_calls(observation: Observation) -> Flow:
    calls = observation.result.measures.tool_calls
    if calls is not None and observation.counts:
        right, missing, wrong = TOOL_CALL_OUTCOMES
        yield (right if observation.result.success else wrong if calls else missing,), 1


def rankings(observation: Observation) -> Flow:
    """Take the outcome of a ranking. If the request failed, there is none."""
    failure = observation.result.failure
    if observation.plan.probe.kind is Kind.RERANK and observation.counts:
        right, wrong = RANKING_OUTCOMES
        if failure is None:
            yield (right,), 1
        elif failure.reason is FailureReason.WRONG_ANSWER:
            yield (wrong,), 1


def cold_starts(observation: Observation) -> Flow:
    if observation.cold and observation.result.success:
        yield (observation.cold.signal,), 1


def cold_attempts(observation: Observation) -> float | None:
    return observation.cold.attempts if observation.cold else None


def asked_cold(number: Callable[[Coldness], float | None]) -> Take:
    """Take a number of a model that was cold when it was asked.

    A boot has its own gauges, because it starts before a request can be sent.
    """

    def take(observation: Observation) -> Flow:
        cold = observation.cold
        if cold and observation.result.success and cold.signal is not ColdSignal.BOOT:
            value = number(cold)
            if value is not None:
                yield (), value

    return take


def slo_probes(observation: Observation) -> Flow:
    yield from ((slo, 1) for slo, _ in _judged(observation))


def slo_good_probes(observation: Observation) -> Flow:
    yield from _judged(observation)


def rate_limits(number: Callable[[RateLimit], float | None]) -> Take:
    """Take a number of each rate-limited resource that the provider reports."""

    def take(observation: Observation) -> Iterator[Taken]:
        for limit in observation.result.rate_limits:
            value = number(limit)
            if value is not None:
                yield (limit.resource,), value

    return take


def _judged(observation: Observation) -> Flow:
    if not observation.counts:
        return
    usable = observation.certain and observation.cold is None
    for objective in observation.plan.objectives:
        good = objective.met_by(observation.result, usable=usable)
        if good is not None:
            yield (objective.name,), good


def _tells_times(observation: Observation) -> bool:
    usable = observation.counts and observation.certain and not observation.cold
    return usable and observation.result.success


def _is_cold_success(observation: Observation) -> bool:
    return observation.result.success and observation.cold is not None


def _outcome(observation: Observation) -> tuple[str]:
    return ("success" if observation.result.success else "failure",)
