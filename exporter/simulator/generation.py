"""Turns a script into a timed sequence of steps: pure, and the same for every provider.

Separate functions choose the tokens, group them into chunks, time them, apply the fault, and count.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle
from random import Random

from exporter.providers.base import OutputKind
from exporter.result import Usage
from exporter.simulator.fault_injection import spoilt
from exporter.simulator.faults import EmptyAnswer, Endless, Fault, Refusal
from exporter.simulator.script import Script
from exporter.simulator.steps import (
    Act,
    Begin,
    Calling,
    End,
    Finish,
    FinishReason,
    HiddenReasoning,
    Output,
    Ping,
    Step,
    Timed,
)

_THOUGHT = "Let me see how this is best said."
_REFUSAL = "I'm sorry, but I can't help with that."


def count_tokens(text: str) -> int:
    """Count the simulator's tokens: words between white space."""
    return len(text.split())


def generate(
    script: Script, fault: Fault | None, prompt: str, max_tokens: int | None, random: Random
) -> Iterator[Timed]:
    """Yield everything from the headers to the end of the stream, in order of time."""
    speech = _speech(script, fault, max_tokens)
    steps = spoilt(_timed(script, speech, random), fault)
    return _counted(steps, _prompt_usage(script, prompt), script.reports_usage)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: OutputKind
    text: str


@dataclass(frozen=True, slots=True)
class _Speech:
    """What the model generates, before it is timed and split into chunks."""

    hidden_tokens: int
    tokens: Iterator[_Token]
    finish: FinishReason
    calls: str = ""
    """The name of the called tool, if any."""


def _speech(script: Script, fault: Fault | None, max_tokens: int | None) -> _Speech:
    match fault:
        case EmptyAnswer():
            return _Speech(0, iter(()), FinishReason.STOP)
        case Refusal():
            return _Speech(0, _words(OutputKind.REFUSAL, _REFUSAL), FinishReason.REFUSAL)
        case Endless():
            return _Speech(0, _words(OutputKind.ANSWER, script.answer, math.inf), FinishReason.STOP)
    shown, hidden = _thought_tokens(script)
    call = script.tool_call
    output = (
        _words(OutputKind.TOOL, call.arguments)
        if call
        else _words(OutputKind.ANSWER, script.answer, script.answer_tokens)
    )
    tokens = [*_words(OutputKind.REASONING, _THOUGHT, shown), *output]
    calls = call.name if call else ""
    if max_tokens is None or hidden + len(tokens) <= max_tokens:
        finish = FinishReason.TOOL_CALLS if call else FinishReason.STOP
        return _Speech(hidden, iter(tokens), finish, calls)
    hidden = min(hidden, max_tokens)
    return _Speech(hidden, iter(tokens[: max_tokens - hidden]), FinishReason.LENGTH, calls)


def _thought_tokens(script: Script) -> tuple[int, int]:
    """Return how many reasoning tokens are shown, and how many are hidden."""
    return (script.reasoning_tokens, 0) if script.show_reasoning else (0, script.reasoning_tokens)


def _words(kind: OutputKind, text: str, count: float | None = None) -> Iterator[_Token]:
    """Yield the words of a text as tokens, cut or repeated up to ``count``."""
    words = re.findall(r"\s*\S+", text)
    count = len(words) if count is None else count
    # The first word has no space before it. When it is repeated, it needs one.
    repeated = cycle([word if word[0].isspace() else f" {word}" for word in words])
    for number, word in enumerate(repeated):
        if number >= count:
            return
        yield _Token(kind, words[0] if number == 0 else word)


def _chunks(tokens: Iterator[_Token], sizes: Iterable[int]) -> Iterator[Output]:
    """Group tokens into chunks. A chunk has only one kind of token."""
    turn = cycle(sizes)
    size, gathered = next(turn), list[_Token]()
    for token in tokens:
        if gathered and (len(gathered) == size or gathered[0].kind != token.kind):
            yield _chunk(gathered)
            size, gathered = next(turn), []
        gathered.append(token)
    if gathered:
        yield _chunk(gathered)


def _chunk(tokens: list[_Token]) -> Output:
    return Output(tokens[0].kind, "".join(token.text for token in tokens), len(tokens))


def _timed(script: Script, speech: _Speech, random: Random) -> Iterator[Timed]:
    """Yield the stream without a fault."""
    gaps = _gaps(script, random)
    first = _varied(script.first_token_seconds, script.jitter, random)
    at = first + gaps(speech.hidden_tokens)
    yield from _opening(script, at)
    if speech.hidden_tokens:
        yield Timed(at, HiddenReasoning(speech.hidden_tokens))
    pending, calls = 0, speech.calls
    for number, chunk in enumerate(_chunks(speech.tokens, script.tokens_per_chunk)):
        if number > 0:
            at += gaps(pending + chunk.tokens)
        pending = chunk.tokens - 1 if number == 0 else 0
        if calls and chunk.kind is OutputKind.TOOL:
            yield Timed(at, Calling(calls))
            calls = ""
        yield Timed(at, chunk)
    at += script.ending_seconds
    yield Timed(at, Finish(speech.finish))
    yield Timed(at, End())


def _opening(script: Script, first_output: float) -> Iterator[Timed]:
    headers = script.headers_seconds
    yield Timed(headers, Begin(script.opening_event))
    pause = (first_output - headers) / (script.preamble + 1)
    for number in range(1, script.preamble + 1):
        yield Timed(headers + number * pause, Ping())


def _varied(seconds: float, sigma: float, random: Random) -> float:
    return seconds * random.lognormvariate(0.0, sigma) if sigma else seconds


def _gaps(script: Script, random: Random) -> Callable[[int], float]:
    """Return a function that returns the time of a number of further tokens."""

    def time_of(tokens: int) -> float:
        gap, sigma = script.token_gap_seconds, script.jitter
        if not sigma:
            return gap * tokens
        return sum(_varied(gap, sigma, random) for _ in range(tokens))

    return time_of


def _counted(steps: Iterable[Timed], prompt: Usage, reported: bool) -> Iterator[Timed]:
    """Yield the steps, with usage if the script reports it."""
    usage = prompt
    for timed in steps:
        match timed.step:
            case Output(kind, _, tokens):
                thought = tokens if kind is OutputKind.REASONING else 0
                usage = _longer(usage, output=tokens, reasoning=thought)
            case HiddenReasoning(tokens):
                usage = _longer(usage, output=tokens, reasoning=tokens)
        yield replace(timed, step=_with_usage(timed.step, usage)) if reported else timed


def _with_usage(step: Step | Act, usage: Usage) -> Step | Act:
    return replace(step, usage=usage) if isinstance(step, Begin | Finish) else step


def _longer(usage: Usage, output: int, reasoning: int) -> Usage:
    return replace(usage, output=usage.output + output, reasoning=usage.reasoning + reasoning)


def _prompt_usage(script: Script, prompt: str) -> Usage:
    tokens = count_tokens(prompt)
    return Usage(input=tokens, output=0, cached_input=min(script.cached_input_tokens, tokens))
