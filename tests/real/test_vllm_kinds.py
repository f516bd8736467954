"""vLLM, beyond chat: a repeated prompt, fixed prompts, its list of models, a tool call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import nan
from pathlib import Path
from statistics import median

import httpx
import pytest

from tests.real.conftest import Figures
from tests.real.engines import BOOT_SECONDS, vllm
from tests.real.exporter_process import Result, Scrape, ask
from tests.real.servers import Installation, Server, free_port

FACES = {"vllm": "/v1", "openai": "/v1", "openai_responses": "/v1", "anthropic": ""}
PREFIX_TOKENS = 256
"""The length in tokens of real models. The model here needs about three times as many."""
TOOL = {
    "name": "get_weather",
    "description": "Tells whether it rains.",
    "parameters": {
        "type": "object",
        "properties": {"rain": {"type": "boolean"}},
        "required": ["rain"],
        "additionalProperties": False,
    },
}


@pytest.fixture(scope="module")
def server(installation: Installation) -> Iterator[Server]:
    tools = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")
    with vllm(installation, free_port(), "--enable-prompt-tokens-details", *tools) as server:
        server.wait_until_ready("/health", BOOT_SECONDS)
        yield server


def asked(
    folder: Path, server: Server, provider: str, probe: Mapping[str, object], count: int = 1
) -> list[Result]:
    return ask(folder, provider, server.root + FACES[provider], probe, count)


def told(server: Server, *names: str) -> list[float]:
    """Return these counters of the server."""
    text = httpx.get(f"{server.root}/metrics", trust_env=False).raise_for_status().text
    return [Scrape(text).value(f"vllm:{name}") for name in names]


@pytest.mark.parametrize("provider", FACES)
def test_a_prompt_that_is_asked_again_comes_from_its_cache(
    provider: str, server: Server, tmp_path: Path, figures: Figures
) -> None:
    counters = ("prefix_cache_hits_total", "prefix_cache_queries_total")
    probe = {"kind": "cached_prefix", "prefix_tokens": PREFIX_TOKENS, "pause": "200ms"}
    before = told(server, *counters)

    results = asked(tmp_path, server, provider, probe, 3)

    hits, queries = (b - a for a, b in zip(before, told(server, *counters), strict=True))
    ours = sum(result.usage.cached_input for result in results if result.usage)
    every = sum(
        result.usage.input + result.earlier_usage.input
        for result in results
        if result.usage and result.earlier_usage
    )
    assert [result.failure for result in results] == [None] * 3
    cold = median(result.cold_prompt_first_token_seconds or nan for result in results)
    cached = median(result.time_to_first_token_seconds or nan for result in results)
    figures.note(
        f"vLLM, {provider}, cached_prefix: TTFT cold {cold:.3f} s, cached {cached:.3f} s (medians),"
        f" tokens from the cache: ours {ours}, its own {hits:.0f}, of {queries:.0f} asked"
    )
    assert cached < cold
    assert all((result.cached_input_ratio or 0) > 0.75 for result in results)
    assert (ours, every) == (hits, queries)


@pytest.mark.parametrize("provider", ["vllm", "openai", "openai_responses"])
def test_the_same_prompts_get_the_same_answers(
    provider: str, server: Server, tmp_path: Path, figures: Figures
) -> None:
    """Greedy and one at a time: repeated answers are the same, except for rounding."""
    probe = {"kind": "fingerprint", "prompts": ["count", "first", "one"], "max_output_tokens": 4}
    first, again = (
        asked(tmp_path, server, provider, {**probe, "logprobs": True}, 3) for _ in range(2)
    )

    assert [result.failure for result in [*first, *again]] == [None] * 6
    same = sum(a.answer == b.answer for a, b in zip(first, again, strict=True))
    figures.note(f"vLLM, {provider}, fingerprint: {same} of 3 answers the same")
    assert same >= 2


def test_its_list_has_the_model(server: Server, tmp_path: Path) -> None:
    [result] = asked(tmp_path, server, "vllm", {"kind": "models"})

    assert result.success, result.failure


@pytest.mark.parametrize("provider", ["vllm", "openai"])
def test_a_call_is_read_and_judged(
    provider: str, server: Server, tmp_path: Path, figures: Figures
) -> None:
    """It forces a tool call, but not arguments that match the schema, and a model with random
    weights rarely writes those."""
    tools = {"tools": [TOOL], "tool_choice": "required"}
    [result] = asked(
        tmp_path, server, provider, {"prompt": "Does it rain?", "max_output_tokens": 200, **tools}
    )

    told = str(result.failure.detail if result.failure else None)
    figures.note(f"vLLM, {provider}, tools: {told}")
    assert result.status == 200
    assert result.time_to_first_token_seconds is not None
    assert result.success or f"called {TOOL['name']!r}, but the call" in told
