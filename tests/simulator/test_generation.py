"""Scripts become steps: pure functions, so every case is a table row."""

from __future__ import annotations

from itertools import islice, pairwise
from random import Random
from typing import Any

import pytest

from exporter.kinds.chat import DEFAULT_PROBES
from exporter.kinds.expect import mistake
from exporter.providers.base import OutputKind
from exporter.result import Usage
from exporter.simulator import Script
from exporter.simulator.faults import ContentFilter, EmptyAnswer, Endless, Fault, Refusal, Stall
from exporter.simulator.generation import generate
from exporter.simulator.steps import (
    Begin,
    End,
    Finish,
    FinishReason,
    HiddenReasoning,
    Output,
    Ping,
    Timed,
)

PROMPT = "Count to twenty"


def steps(script: Script, fault: Fault | None = None, limit: int | None = None) -> list[Timed]:
    return list(islice(generate(script, fault, PROMPT, limit, Random(1)), 1000))


def outputs(timed_steps: list[Timed]) -> list[Output]:
    return [timed.step for timed in timed_steps if isinstance(timed.step, Output)]


def finish(timed_steps: list[Timed]) -> Finish:
    return next(timed.step for timed in timed_steps if isinstance(timed.step, Finish))


def text(timed_steps: list[Timed]) -> str:
    return "".join(output.text for output in outputs(timed_steps))


def test_the_default_answer_is_right_for_the_default_probe() -> None:
    (probe,) = DEFAULT_PROBES.values()
    assert probe.expect is not None
    answer = text(steps(Script(), limit=probe.max_output_tokens))
    assert mistake(answer, probe.expect) is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"answer": "one  two\nthree"}, "one  two\nthree"),
        ({"answer": "one two three", "answer_tokens": 2}, "one two"),
        ({"answer": "one two", "answer_tokens": 5}, "one two one two one"),
        ({"answer": ""}, ""),
        ({"answer": "yes", "reasoning_tokens": 2}, "Let meyes"),
        ({"answer": "yes", "reasoning_tokens": 2, "show_reasoning": False}, "yes"),
    ],
)
def test_the_answer_is_cut_or_said_again_to_its_length(fields: dict[str, Any], said: str) -> None:
    assert text(steps(Script(**fields))) == said


def test_chunk_sizes_come_in_turn_and_never_mix_thought_with_answer() -> None:
    script = Script(reasoning_tokens=4, answer_tokens=12, tokens_per_chunk=(1, 8, 3))
    assert [(output.kind, output.tokens) for output in outputs(steps(script))] == [
        (OutputKind.REASONING, 1),
        (OutputKind.REASONING, 3),
        (OutputKind.ANSWER, 3),
        (OutputKind.ANSWER, 1),
        (OutputKind.ANSWER, 8),
    ]


@pytest.mark.parametrize("sizes", [(1,), (4,), (1, 8, 3), (8, 1)])
def test_time_per_output_token_is_the_scripts_whatever_the_chunks_hold(
    sizes: tuple[int, ...],
) -> None:
    script = Script(
        first_token_seconds=0.5,
        token_gap_seconds=0.02,
        answer_tokens=40,
        tokens_per_chunk=sizes,
    )
    times = [timed.at_seconds for timed in steps(script) if isinstance(timed.step, Output)]
    assert times[0] == 0.5
    assert (times[-1] - times[0]) / 39 == pytest.approx(0.02)


def test_hidden_thought_takes_its_time_and_is_counted() -> None:
    script = Script(
        first_token_seconds=0.5,
        token_gap_seconds=0.1,
        answer="yes",
        reasoning_tokens=10,
        show_reasoning=False,
    )
    made = steps(script)
    assert [(timed.at_seconds, type(timed.step)) for timed in made] == [
        (0.0, Begin),
        (1.5, HiddenReasoning),
        (1.5, Output),
        (1.5, Finish),
        (1.5, End),
    ]
    assert finish(made).usage == Usage(input=3, output=11, reasoning=10)


def test_pings_are_spread_between_headers_and_first_token() -> None:
    script = Script(headers_seconds=0.1, first_token_seconds=0.5, preamble=3)
    pings = [timed.at_seconds for timed in steps(script) if isinstance(timed.step, Ping)]
    assert pings == pytest.approx([0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    ("fields", "limit", "usage", "reason"),
    [
        ({}, None, Usage(3, 20), FinishReason.STOP),
        ({}, 20, Usage(3, 20), FinishReason.STOP),
        ({}, 19, Usage(3, 19), FinishReason.LENGTH),
        ({"reasoning_tokens": 5}, 7, Usage(3, 7, reasoning=5), FinishReason.LENGTH),
        (
            {"reasoning_tokens": 9, "show_reasoning": False},
            7,
            Usage(3, 7, reasoning=7),
            FinishReason.LENGTH,
        ),
        ({"cached_input_tokens": 2}, None, Usage(3, 20, cached_input=2), FinishReason.STOP),
        ({"cached_input_tokens": 99}, None, Usage(3, 20, cached_input=3), FinishReason.STOP),
    ],
)
def test_the_limit_bounds_thought_and_answer_together(
    fields: dict[str, Any], limit: int | None, usage: Usage, reason: FinishReason
) -> None:
    assert finish(steps(Script(**fields), limit=limit)) == Finish(reason, usage)


@pytest.mark.parametrize(
    ("fault", "tokens", "reason"),
    [
        (EmptyAnswer(), 0, FinishReason.STOP),
        (Refusal(), 8, FinishReason.REFUSAL),
        (ContentFilter(after_tokens=6), 6, FinishReason.CONTENT_FILTER),
    ],
)
def test_usage_counts_what_a_fault_let_through(
    fault: Fault, tokens: int, reason: FinishReason
) -> None:
    assert finish(steps(Script(), fault)) == Finish(reason, Usage(3, tokens))


def test_usage_can_be_kept_to_itself() -> None:
    made = steps(Script(reports_usage=False))
    assert finish(made).usage is None
    assert made[0].step == Begin(alone=True, usage=None)


def test_a_stall_delays_all_that_comes_after_it() -> None:
    script = Script(first_token_seconds=1.0, token_gap_seconds=1.0, answer="a b c")
    times = [timed.at_seconds for timed in steps(script, Stall(after_tokens=2, seconds=10.0))]
    assert times == [0.0, 1.0, 2.0, 13.0, 13.0, 13.0]


def test_an_endless_model_knows_no_limit() -> None:
    assert sum(output.tokens for output in outputs(steps(Script(), Endless(), limit=5))) > 900


def test_jitter_follows_the_seed_alone() -> None:
    script = Script(jitter=0.5)
    assert steps(script) == steps(script)
    assert steps(script) != steps(Script())


def test_jitter_keeps_the_medians() -> None:
    script = Script(token_gap_seconds=1.0, answer_tokens=990, jitter=0.5)
    times = [timed.at_seconds for timed in steps(script) if isinstance(timed.step, Output)]
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    assert gaps[len(gaps) // 2] == pytest.approx(1.0, rel=0.1)
    assert gaps[0] < 0.5 < 2.0 < gaps[-1]


@pytest.mark.parametrize(
    "fields",
    [
        {"token_gap_seconds": -1},
        {"headers_seconds": 2.0, "first_token_seconds": 1.0},
        {"tokens_per_chunk": ()},
        {"tokens_per_chunk": (1, 0)},
        {"events_per_write": 0},
        {"events_per_write": 2, "split_characters": True},
        {"fault_ratio": 1.5},
        {"answer": " ", "answer_tokens": 3},
    ],
)
def test_a_script_that_makes_no_sense_is_an_error(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields)).split("_", maxsplit=1)[0]):
        Script(**fields)
