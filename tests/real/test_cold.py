"""llama.cpp's own server: started cold next to the exporter, and put to sleep later.

The test polls the server itself every few milliseconds, and compares what it saw with what the
exporter reports.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from exporter.coldness import BootPhase
from exporter.result import FailureReason
from tests.real.exporter_process import Exporter, running_exporter
from tests.real.servers import Installation, free_port
from tests.real.test_llamacpp import SLOW_TO_LOAD, one_target
from tests.real.watching import wait_for, watching

POLL_SECONDS = 0.1
SLACK_SECONDS = 0.4
"""The time that polling takes on both sides, while a server loads on the same few CPUs."""


def phases(exporter: Exporter) -> Mapping[BootPhase, float]:
    scrape = exporter.metrics()
    name = "inference_boot_phase_duration_seconds"
    return {phase: scrape.value(name, phase=phase) for phase in BootPhase}


def not_ready_since(exporter: Exporter) -> float:
    return exporter.metrics().value("inference_not_ready_since_timestamp_seconds")


def test_a_server_started_cold_beside_the_exporter_is_measured_and_again_after_a_restart(
    installation: Installation, tmp_path: Path
) -> None:
    port = free_port()
    base_url = f"http://127.0.0.1:{port}/v1"
    watched = one_target(base_url, 4, boot={"poll": f"{POLL_SECONDS}s"})
    with running_exporter(tmp_path, watched) as exporter:
        for boots in (1, 2):
            wait_for(lambda: not math.isnan(not_ready_since(exporter)))
            began = not_ready_since(exporter)
            with (
                installation.llama_server(port, "--ctx-size", SLOW_TO_LOAD) as server,
                watching(port) as truth,
            ):
                wait_for(lambda: not math.isnan(phases(exporter)[BootPhase.FIRST_TOKEN]))
                measured, scrape = phases(exporter), exporter.metrics()
                server.kill()
            assert list(measured) == sorted(measured, key=lambda phase: measured[phase])
            for phase, seen in (
                (BootPhase.LISTENING, truth.listening),
                (BootPhase.HEALTHY, truth.healthy),
            ):
                error = began + measured[phase] - seen
                assert -0.05 < error < POLL_SECONDS + SLACK_SECONDS, f"{phase}: {error}"
            assert math.isnan(scrape.value("inference_not_ready_since_timestamp_seconds"))
            assert scrape.value("inference_cold_starts_total", signal="boot") == boots
            assert scrape.value("inference_time_to_first_token_seconds_count") == 0
            assert set(scrape.failures()) <= {FailureReason.NOT_READY}


def test_a_model_that_the_server_puts_to_sleep_is_a_cold_start_without_a_word(
    installation: Installation, tmp_path: Path
) -> None:
    port = free_port()
    sleepy = ("--ctx-size", SLOW_TO_LOAD, "--sleep-idle-seconds", "2")
    cold_start = {"idle": "4s", "every": "8s"}
    left_alone = one_target(
        f"http://127.0.0.1:{port}/v1", 4, interval="500ms", cold_start=cold_start
    )
    with installation.llama_server(port, *sleepy) as server:
        server.wait_until_ready("/health")
        with running_exporter(tmp_path, left_alone) as exporter:
            wait_for(
                lambda: exporter.metrics().value("inference_cold_starts_total", signal="slow") >= 1
            )
            scrape = exporter.metrics()
    colds = scrape.value("inference_cold_start_duration_seconds_count")
    assert scrape.value("inference_cold_start_attempts_total") == colds
    assert scrape.value("inference_cold_start_penalty_seconds_sum") > 0.2
    assert not scrape.failures()
