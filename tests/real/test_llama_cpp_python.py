"""The server of the Python package llama-cpp-python: the same engine, another API server."""

from __future__ import annotations

import re
import time
from math import nan
from pathlib import Path
from statistics import median

import httpx
import pytest

from exporter.result import FailureReason
from tests.real.conftest import Figures
from tests.real.exporter_process import Probing, ask, openai_target, probe
from tests.real.servers import AUTHORIZATION, CONTEXT_TOKENS, MODEL, Server

_CACHED = re.compile(r"Llama.generate: (\d+) prefix-match hit, remaining (\d+) prompt tokens")
"""What it logs about each prompt: the cached tokens, and the remaining ones."""


def test_a_stream_without_usage_has_times_but_no_speed(
    llama_cpp_python: Server, figures: Figures
) -> None:
    """It ignores ``stream_options``. We must not count chunks as tokens."""
    target = openai_target(llama_cpp_python.base_url, MODEL)
    results = probe(*target, "-n", "10", "--max-output-tokens", "64")

    figures.keep("llama-cpp-python's server", results)
    for result in results:
        assert result.success
        assert result.finish_reason == "length"
        assert len(result.answer.split()) == 64
        assert result.time_to_first_token_seconds is not None
        assert result.request_duration_seconds is not None
        assert 0 < result.time_to_first_token_seconds < result.request_duration_seconds
        assert result.usage is None
        assert result.time_per_output_token_seconds is None


def test_a_cache_that_is_not_counted_shows_in_its_times(
    llama_cpp_python: Server, tmp_path: Path, figures: Figures
) -> None:
    """It sends no counts in a stream, so the cached share stays unknown. Its log has it."""
    known = len(_CACHED.findall(llama_cpp_python.log.read_text()))
    probe = {"kind": "cached_prefix", "prefix_tokens": 64, "pause": "200ms"}
    results = ask(tmp_path, "openai", llama_cpp_python.base_url, probe, 4)

    assert [result.failure for result in results] == [None] * 4
    assert [result.cached_input_ratio for result in results] == [None] * 4
    cold = median(result.cold_prompt_first_token_seconds or nan for result in results)
    cached = median(result.time_to_first_token_seconds or nan for result in results)
    told = _CACHED.findall(llama_cpp_python.log.read_text())[known:]
    again = [hit for hit, left in told if left == "1"]
    figures.note(
        f"llama-cpp-python, cached_prefix: TTFT cold {cold:.3f} s, cached {cached:.3f} s (medians),"
        f" tokens from the cache: ours unknown, by its log {', '.join(again)}"
    )
    assert cached < cold
    assert len(again) == 4


def test_its_request_id_is_the_one_in_its_headers(llama_cpp_python: Server) -> None:
    [result] = probe(*openai_target(llama_cpp_python.base_url, MODEL))

    assert result.request_id is not None
    assert not result.request_id.startswith("chatcmpl-")


def test_a_wrong_key_is_auth(llama_cpp_python: Server) -> None:
    """Its error body is FastAPI's, ``{"detail": "..."}``, and not OpenAI's."""
    [result] = probe(*openai_target(llama_cpp_python.base_url, MODEL), key="sk-wrong")

    assert result.failure is not None
    assert (result.reason, result.failure.status) == (FailureReason.AUTH, 401)
    assert "Invalid API key" in result.failure.detail


def test_a_prompt_beyond_the_context_is_truncated(llama_cpp_python: Server) -> None:
    """It has already sent 200, and ends the stream without an error."""
    prompt = "x " * CONTEXT_TOKENS
    [result] = probe(*openai_target(llama_cpp_python.base_url, MODEL), "--prompt", prompt)

    assert result.reason is FailureReason.TRUNCATED


@pytest.mark.xfail(reason="[DONE] alone counts as the end, even with no finish reason before it")
def test_a_stream_that_another_request_cuts_short_is_truncated(llama_cpp_python: Server) -> None:
    """It drops a running stream for the next request: ``[DONE]``, but no finish reason."""
    target = openai_target(llama_cpp_python.base_url, MODEL)
    probing = Probing(*target, "--max-output-tokens", "6000")
    known = llama_cpp_python.log.read_text().count("POST /v1/chat/completions")
    while llama_cpp_python.log.read_text().count("POST /v1/chat/completions") == known:
        time.sleep(0.01)
    time.sleep(0.2)
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Move."}], "max_tokens": 1}
    url = f"{llama_cpp_python.base_url}/chat/completions"
    httpx.post(url, json=body, headers=AUTHORIZATION, trust_env=False).raise_for_status()

    [result] = probing.results()

    assert result.answer
    assert result.finish_reason is None
    assert result.reason is FailureReason.TRUNCATED
