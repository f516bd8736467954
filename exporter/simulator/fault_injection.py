"""Applies a fault to a stream of steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from exporter.providers.base import OutputKind
from exporter.simulator.faults import (
    ContentFilter,
    DataAfterEnd,
    Disconnect,
    ErrorMidStream,
    Fault,
    Garbage,
    MissingEndMarker,
    Stall,
)
from exporter.simulator.steps import (
    Act,
    Broken,
    End,
    Failed,
    Finish,
    FinishReason,
    HangUp,
    Output,
    Silence,
    Step,
    Timed,
)


def spoilt(steps: Iterator[Timed], fault: Fault | None) -> Iterable[Timed]:
    """Apply the fault to the stream. Faults that don't affect its steps change nothing."""
    match fault:
        case ErrorMidStream(error, after_tokens):
            return _broken_off(steps, after_tokens, Failed(error))
        case ContentFilter(after_tokens):
            return _broken_off(steps, after_tokens, Finish(FinishReason.CONTENT_FILTER), End())
        case Disconnect(after_tokens, reset):
            return _broken_off(steps, after_tokens, HangUp(reset))
        case Stall(after_tokens, seconds):
            return _paused(steps, after_tokens, seconds)
        case _:
            return _still_whole(steps, fault)


def _still_whole(steps: Iterator[Timed], fault: Fault | None) -> Iterable[Timed]:
    match fault:
        case Garbage(after_tokens):
            before, after = _divided(steps, after_tokens)
            return chain(before, [Timed(before[-1].at_seconds, Broken())], after)
        case MissingEndMarker():
            return _endless(steps)
        case DataAfterEnd():
            return _prolonged(steps)
        case _:
            return steps


def _endless(steps: Iterator[Timed]) -> Iterator[Timed]:
    for timed in steps:
        match timed.step:
            case Finish(_, usage):
                yield replace(timed, step=Finish(None, usage))
            case End():
                pass
            case _:
                yield timed


def _broken_off(steps: Iterator[Timed], tokens: int, *instead: Step | Act) -> Iterable[Timed]:
    before, _ = _divided(steps, tokens)
    return [*before, *(Timed(before[-1].at_seconds, step) for step in instead)]


def _paused(steps: Iterator[Timed], tokens: int, seconds: float) -> Iterable[Timed]:
    before, after = _divided(steps, tokens)
    if math.isinf(seconds):
        return chain(before, [Timed(before[-1].at_seconds, Silence())])
    late = (replace(timed, at_seconds=timed.at_seconds + seconds) for timed in after)
    return chain(before, late)


def _prolonged(steps: Iterator[Timed]) -> Iterator[Timed]:
    for timed in steps:
        yield timed
        if isinstance(timed.step, End):
            yield replace(timed, step=Output(OutputKind.ANSWER, " and more", 2))


def _divided(steps: Iterator[Timed], tokens: int) -> tuple[list[Timed], Iterator[Timed]]:
    """Split the steps after the one that completes this many output tokens.

    The finish reason always belongs to the second part.
    """
    before: list[Timed] = []
    sent = 0
    for timed in steps:
        step = timed.step
        if isinstance(step, Finish) or (isinstance(step, Output) and sent >= tokens):
            return before, chain([timed], steps)
        sent += step.tokens if isinstance(step, Output) else 0
        before.append(timed)
    return before, steps
