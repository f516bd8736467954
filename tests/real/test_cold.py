"""llama.cpp's own server, started cold beside the exporter, and put to sleep under its eyes.

The test looks at the server itself, every few milliseconds, and compares what it saw with what the
exporter says.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from exporter.coldness import BootPhase
from exporter.result import FailureReason
from tests.real.exporter_process import Exporter, running_exporter
from tests.real.servers import Installation, free_port
from tests.real.test_llamacpp import SLOW_TO_LOAD, one_target

POLL_SECONDS = 0.1
SLACK_SECONDS = 0.4
"""What looking takes, on both sides, while a server loads on the same few processors."""


@dataclass
class Watch:
    """When the server was first seen to take a connection, and to be healthy; Unix seconds."""

    listening: float = math.nan
    healthy: float = math.nan
    over: threading.Event = field(default_factory=threading.Event)

    def look(self, base_url: str) -> None:
        """Look until it is healthy."""
        address = urlsplit(base_url)
        assert address.hostname
        assert address.port
        while math.isnan(self.healthy) and not self.over.is_set():
            with suppress(OSError, HTTPException):
                connection = HTTPConnection(address.hostname, address.port, timeout=5)
                with closing(connection):
                    connection.connect()
                    if math.isnan(self.listening):
                        self.listening = time.time()
                    connection.request("GET", "/health")
                    if connection.getresponse().status == HTTPStatus.OK:
                        self.healthy = time.time()
            time.sleep(0.005)


@contextmanager
def watching(base_url: str) -> Iterator[Watch]:
    watch = Watch()
    thread = threading.Thread(target=watch.look, args=(base_url,))
    thread.start()
    try:
        yield watch
    finally:
        watch.over.set()
        thread.join()


def wait_for(condition: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


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
                watching(base_url) as truth,
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
