"""llama.cpp's own server: its log says what we should have measured for each request."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from math import nan
from pathlib import Path
from statistics import median

import pytest

from exporter.result import FailureReason
from tests.real.conftest import Figures
from tests.real.exporter_process import (
    Probing,
    Result,
    TargetOptions,
    anthropic_target,
    ask,
    openai_target,
    probe,
    running_exporter,
)
from tests.real.servers import (
    CONTEXT_TOKENS,
    MODEL,
    Generation,
    Installation,
    Server,
    free_port,
    generations,
)

LONG_STREAM_TOKENS = CONTEXT_TOKENS - 512
"""Takes seconds to generate, long enough to be cut off."""
PROMPT = "Talk of whatever comes to your mind, at length and in words of your own."
SLOW_TO_LOAD = "524288"
"""A context whose memory (1 GB) takes the server about a second to prepare."""


def one_target(
    base_url: str,
    max_output_tokens: int,
    timeouts: Mapping[str, str] | None = None,
    interval: str = "1h",
    provider: str = "openai",
    **settings: object,
) -> dict[str, object]:
    """Return a configuration with the target ``llama``, for OpenAI's or Anthropic's protocol.

    Connections aren't reused. This server promises to keep them, but closes each one after its
    stream, so an immediate second probe could use a dying connection.
    """
    target = {
        "name": "llama",
        "provider": provider,
        "model": MODEL,
        "base_url": base_url if provider == "openai" else base_url.removesuffix("/v1"),
        "api_key": {"env": "REAL_SERVER_KEY"},
        "connection": "fresh",
        "interval": interval,
        "timeouts": dict(timeouts or {}),
        **settings,
    }
    probe = {"prompt": PROMPT, "max_output_tokens": max_output_tokens}
    return {"probes": {"talk": probe}, "targets": [target]}


def options(folder: Path, config: Mapping[str, object]) -> tuple[str, ...]:
    """Return the options of ``probe`` for the target of a configuration."""
    path = folder / "config.yaml"  # JSON is YAML
    path.write_text(json.dumps(config))
    return ("--config", str(path), "--target", "llama")


def wait_for_log(server: Server, text: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while text not in server.log.read_text():
        assert time.monotonic() < deadline, f"{text!r} never came into the log"
        time.sleep(0.01)


def new_generations(server: Server, known: int, count: int) -> list[Generation]:
    """Return the ``count`` requests that the server has logged after the first ``known``."""
    deadline = time.monotonic() + 5
    while len(new := generations(server.log)[known:]) < count:
        assert time.monotonic() < deadline, "the server has not logged its timings"
        time.sleep(0.01)
    return new


def median_ratio(results: Sequence[Result], truths: Sequence[Generation]) -> float:
    """Return our time per output token divided by the server's, for the same requests.

    On a busy machine, a single request can be off, because the server's bytes wait for a CPU. The
    median must be right.
    """
    return median(
        result.time_per_output_token_seconds / truth.seconds_per_output_token
        for result, truth in zip(results, truths, strict=True)
        if result.time_per_output_token_seconds
    )


@pytest.mark.parametrize(
    ("provider", "finish_reason"), [("openai", "length"), ("anthropic", "max_tokens")]
)
def test_results_agree_with_the_servers_own_log(
    provider: str, finish_reason: str, llama_server: Server, tmp_path: Path, figures: Figures
) -> None:
    known = len(generations(llama_server.log))

    config = one_target(llama_server.base_url, 128, provider=provider)
    results = probe(*options(tmp_path, config), "-n", "20")

    assert [result.failure for result in results] == [None] * 20
    truths = new_generations(llama_server, known, 20)
    figures.keep(f"llama.cpp's llama-server, {provider}", results)
    figures.keep_log(truths)
    for result, truth in zip(results, truths, strict=True):
        assert result.finish_reason == finish_reason
        assert result.served_model == MODEL
        assert len(result.answer.split()) == 128
        assert result.usage is not None
        assert result.usage.output == truth.output_tokens == 128
        assert result.usage.input - result.usage.cached_input == truth.evaluated_prompt_tokens
        assert result.time_to_first_token_seconds is not None
        assert result.time_to_first_token_seconds > truth.prompt_seconds
    assert median_ratio(results, truths) == pytest.approx(1, abs=0.03)


def test_the_nonce_keeps_the_prompt_out_of_the_cache(llama_server: Server, tmp_path: Path) -> None:
    results = probe(*options(tmp_path, one_target(llama_server.base_url, 4)), "-n", "3")

    usages = [result.usage for result in results if result.usage]
    assert len(usages) == 3
    assert all(usage.cached_input < usage.input / 4 for usage in usages)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_prompt_that_is_asked_again_comes_from_its_cache(
    provider: str, llama_server: Server, tmp_path: Path, figures: Figures
) -> None:
    known = len(generations(llama_server.log))
    probe = {"kind": "cached_prefix", "prefix_tokens": 64, "pause": "200ms"}
    url = llama_server.base_url if provider == "openai" else llama_server.root
    results = ask(tmp_path, provider, url, probe, 4)

    again = new_generations(llama_server, known, 8)[1::2]
    assert [result.failure for result in results] == [None] * 4
    cold = median(result.cold_prompt_first_token_seconds or nan for result in results)
    cached = median(result.time_to_first_token_seconds or nan for result in results)
    ours = [result.usage.cached_input for result in results if result.usage]
    left = [result.usage.input - result.usage.cached_input for result in results if result.usage]
    figures.note(
        f"llama.cpp, {provider}, cached_prefix: TTFT cold {cold:.3f} s, cached {cached:.3f} s"
        f" (medians), tokens from the cache {ours}, left {left}"
    )
    assert cached < cold
    assert left == [truth.evaluated_prompt_tokens for truth in again]
    assert all((result.cached_input_ratio or 0) > 0.9 for result in results)


@pytest.mark.parametrize("face", [openai_target, anthropic_target])
def test_a_wrong_key_is_auth(face: TargetOptions, llama_server: Server) -> None:
    [result] = probe(*face(llama_server.base_url, MODEL), key="sk-wrong")

    assert result.failure is not None
    assert (result.reason, result.failure.status) == (FailureReason.AUTH, 401)


def test_a_model_that_the_server_does_not_have_is_answered_by_the_one_it_has(
    llama_server: Server,
) -> None:
    [result] = probe(*openai_target(llama_server.base_url, "no-such-model"))

    assert result.success
    assert result.served_model == MODEL


def test_a_prompt_beyond_the_context_is_bad_request(llama_server: Server) -> None:
    prompt = "x " * CONTEXT_TOKENS
    [result] = probe(*openai_target(llama_server.base_url, MODEL), "--prompt", prompt)

    assert result.failure is not None
    assert (result.reason, result.failure.status) == (FailureReason.BAD_REQUEST, 400)


def test_a_path_that_the_server_does_not_know_is_not_found(llama_server: Server) -> None:
    [result] = probe(*openai_target(f"{llama_server.base_url}/nowhere", MODEL))

    assert result.reason is FailureReason.NOT_FOUND


def test_no_server_is_connect() -> None:
    [result] = probe(*openai_target(f"http://127.0.0.1:{free_port()}/v1", MODEL))

    assert result.reason is FailureReason.CONNECT


def test_a_server_killed_within_the_stream_is_truncated(installation: Installation) -> None:
    with installation.llama_server() as server:
        server.wait_until_ready("/health")
        probing = Probing(
            *openai_target(server.base_url, MODEL), "--max-output-tokens", str(LONG_STREAM_TOKENS)
        )
        wait_for_log(server, "launch_slot_")
        time.sleep(0.3)
        server.kill()

        [result] = probing.results()

    assert result.reason is FailureReason.TRUNCATED
    assert result.status == 200
    assert result.answer


def test_a_frozen_server_stalls_one_probe_and_keeps_the_next_waiting(
    installation: Installation, tmp_path: Path
) -> None:
    with installation.llama_server() as server:
        server.wait_until_ready("/health")
        timeouts = {"first_token": "3s", "stall": "500ms"}
        config = one_target(server.base_url, LONG_STREAM_TOKENS, timeouts)
        probing = Probing(*options(tmp_path, config), "-n", "2")
        wait_for_log(server, "launch_slot_")
        time.sleep(0.3)
        server.freeze()

        stalled, waiting = probing.results()

    assert stalled.reason is FailureReason.TIMEOUT_STALL
    assert stalled.answer
    assert waiting.reason is FailureReason.TIMEOUT_FIRST_TOKEN


def test_run_probes_on_schedule_and_exports_what_the_server_logs(
    llama_server: Server, tmp_path: Path
) -> None:
    known = len(generations(llama_server.log))
    # On a busy machine, the times would be too uncertain to be exported.
    config = {
        **one_target(llama_server.base_url, 32, interval="500ms"),
        "defaults": {"max_uncertainty": "1m"},
    }
    with running_exporter(tmp_path, config) as exporter:
        deadline = time.monotonic() + 20
        while exporter.metrics().value("inference_probes_total", outcome="success") < 4:
            assert time.monotonic() < deadline, "four probes take two seconds"
            time.sleep(0.1)
        scrape = exporter.metrics()

    probes = int(scrape.value("inference_probes_total", outcome="success"))
    truths = generations(llama_server.log)[known : known + probes]
    evaluated = scrape.value("inference_tokens_total", type="input") - scrape.value(
        "inference_tokens_total", type="cached_input"
    )
    assert not scrape.failures()
    assert scrape.value("inference_last_probe_success") == 1
    assert scrape.value("inference_tokens_total", type="output") == 32 * probes
    assert evaluated == sum(truth.evaluated_prompt_tokens for truth in truths)
    assert scrape.value("inference_time_to_first_token_seconds_count") == probes
    assert scrape.value("inference_time_to_first_token_seconds_sum") > sum(
        truth.prompt_seconds for truth in truths
    )
    assert scrape.value("inference_time_per_output_token_seconds_sum") == pytest.approx(
        sum(truth.seconds_per_output_token for truth in truths), rel=0.2, abs=1e-4
    )


def test_a_server_that_comes_up_refuses_then_loads_then_answers_then_is_gone(
    installation: Installation, tmp_path: Path
) -> None:
    port = free_port()
    config = one_target(f"http://127.0.0.1:{port}/v1", 4, interval="1h")
    seen: list[FailureReason | None] = []
    with running_exporter(tmp_path, config) as exporter:
        seen.append(exporter.probe_now("llama"))
        with installation.llama_server(port, "--ctx-size", SLOW_TO_LOAD) as server:
            deadline = time.monotonic() + 30
            while seen[-1] is not None and time.monotonic() < deadline:
                seen.append(exporter.probe_now("llama"))
            server.kill()
            seen.append(exporter.probe_now("llama"))

    story = [reason for reason, _ in groupby(seen)]
    assert story == [FailureReason.CONNECT, FailureReason.NOT_READY, None, FailureReason.CONNECT]
