"""One incident of each kind, with the real programs: simulated providers, the exporter, a
Prometheus with history, an Alertmanager, and a receiver.

Time is compressed six times (compressed.py), so the test takes a quarter of an hour. To read what
was sent, run ``make test-staged``.
"""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.alert_quality.replay import Replay, Tools
from benchmarks.alert_quality.series import Series
from exporter.simulator import Script, Simulator, run_in_thread
from exporter.simulator.faults import ErrorResponse, Fault, Hang, Refusal
from exporter.simulator.script import Boot
from exporter.simulator.steps import Error, ErrorKind
from tests.integration.alertmanager import OnCall, alertmanager, on_call
from tests.integration.compressed import (
    FACTOR,
    MINUTE,
    alertmanager_config,
    regression_rules,
    write_rules,
)
from tests.integration.observatory import Observatory
from tests.process import eventually, exporter, free_port, process

pytestmark = [pytest.mark.staged, pytest.mark.timeout(3000)]

FIRST_TOKEN_SECONDS, JITTER = 0.2, 0.15
WELL = Script(first_token_seconds=FIRST_TOKEN_SECONDS, token_gap_seconds=0.002, jitter=JITTER)
HISTORY_MINUTES, KNOWN_MINUTES = round(5.5 * 1440), 60
SENT_WITHIN_MINUTES = 25
IS = "Inference(TargetDown|ModelNotReady)"
"""Alerts about the current state, not about the past."""
TAKES = "InferenceFirstTokenSlow"
"""An alert that resolves only after two or three quick probes."""


def failing(ratio: float, fault: Fault, seed: int = 0) -> Script:
    return Script(
        first_token_seconds=FIRST_TOKEN_SECONDS,
        jitter=JITTER,
        fault=fault,
        fault_ratio=ratio,
        seed=seed,
    )


def error(kind: ErrorKind) -> Fault:
    return ErrorResponse(Error(kind))


INCIDENTS = {
    "refusing": (failing(1, error(ErrorKind.SERVER_ERROR)), "InferenceTargetDown"),
    "throttling": (failing(0.3, error(ErrorKind.RATE_LIMITED), seed=5), "InferenceThrottled"),
    "failing": (failing(0.2, error(ErrorKind.SERVER_ERROR), seed=8), "InferenceErrorsHigh"),
    "refraining": (failing(0.2, Refusal(), seed=7), "InferenceWrongAnswers"),
    "slow": (Script(first_token_seconds=2 * FIRST_TOKEN_SECONDS), "InferenceFirstTokenSlow"),
}
"""The targets, what happens to all of them at the same time, and the alert for it. With these
seeds, no three probes in a row fail by chance in the first minutes, when there is little
history."""
OF_THE_MACHINE = {"InferenceExporterLagging"}
"""Alerts that a busy machine can set off."""
STEADY = ("steady", "calm")

CONFIG = """
web: {{listen: "127.0.0.1:{port}"}}
defaults: {{interval: {minute}s, timeout: 5s}}
targets:
{targets}
  - {{name: booting, provider: vllm, model: booting, base_url: "{own}/v1",
     boot: {{limit: {limit}s, poll: 500ms}}, slo: {{success_ratio: 0.99}}}}
"""
TARGET = """
  - {{name: {name}, provider: openai, model: {name}, base_url: "{url}/v1",
     slo: {{success_ratio: 0.99}}}}"""
PROMETHEUS = """
global: {{scrape_interval: {scrape}ms, evaluation_interval: {minute}s}}
rule_files: ["{folder}/rules/*.yml"]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]}}
scrape_configs:
  - {{job_name: inference, static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]}}
"""


class Stage:
    """All running programs, and the controls of the test."""

    def __init__(self, programs: Tools, pager: Path, folder: Path, stack: ExitStack) -> None:
        names = [*INCIDENTS, *STEADY]
        self._reboot = threading.Event()
        self._hosts = [
            stack.enter_context(run_in_thread(Simulator(dict.fromkeys(names, WELL))))
            for _ in range(2)
        ]
        self._own = stack.enter_context(
            run_in_thread(Simulator({"booting": WELL}), alongside=self._reboot_when_told)
        )
        self.port, port = free_port(), free_port()
        _write_past(programs, folder, f"127.0.0.1:{self.port}", names)
        self.person, url = stack.enter_context(on_call())
        pager_port = stack.enter_context(alertmanager(pager, folder, url, alertmanager_config(url)))
        targets = "".join(
            TARGET.format(name=name, url=self._hosts[number % 2].url)
            for number, name in enumerate(names)
        )
        (folder / "exporter.yaml").write_text(
            CONFIG.format(
                port=self.port, minute=MINUTE, targets=targets, own=self._own.url, limit=10 * MINUTE
            )
        )
        (folder / "prometheus.yml").write_text(
            PROMETHEUS.format(
                scrape=15_000 // FACTOR,
                minute=round(MINUTE),
                folder=folder,
                alertmanager=pager_port,
                exporter=self.port,
            )
        )
        write_rules(folder / "rules")
        watch: list[str | Path] = [
            programs.prometheus,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        run = exporter("run", "--config", folder / "exporter.yaml")
        self.exporter = stack.enter_context(process(run, folder / "exporter.log"))
        stack.enter_context(process(watch, folder / "prometheus.log"))
        self.prometheus = Observatory(f"http://127.0.0.1:{port}")
        self.began = time.time()
        self.done: list[tuple[float, str]] = []

    async def _reboot_when_told(self, simulator: Simulator) -> None:
        while True:
            await asyncio.sleep(0.1)
            if self._reboot.is_set():
                self._reboot.clear()
                await simulator.restart()

    def play(self, script: Script, *names: str) -> None:
        """Set the script of these targets."""
        fault = script.fault or f"first token after {script.first_token_seconds} s"
        self.done.append((time.time(), f"{', '.join(names)}: {script.fault_ratio:.0%} {fault}"))
        for host in self._hosts:
            host.scripts.update(dict.fromkeys(names, script))

    def boot(self, minutes: float) -> None:
        """Restart the separate server, which then loads its model for this long."""
        boot = Boot(seconds=minutes * MINUTE) if minutes else None
        self._own.scripts["booting"] = Script(first_token_seconds=FIRST_TOKEN_SECONDS, boot=boot)
        self._reboot.set()

    def firing(self, alerts: str) -> float:
        query = f'count(ALERTS{{alertname=~"{alerts}",alertstate="firing"}}) or vector(0)'
        return self.prometheus.query(query)[0]

    def wait_until_silent(self, alerts: str) -> None:
        """Wait until these alerts have resolved, and print when. A busy machine can be late."""
        eventually(lambda: self.firing(alerts), lambda count: count == 0, seconds=15 * MINUTE)
        self.done.append((time.time(), f"{alerts}: none fires any more"))

    def minutes(self, moment: float) -> float:
        return (moment - self.began) / MINUTE


def _write_past(programs: Tools, folder: Path, instance: str, names: list[str]) -> None:
    """Backfill days in which the targets behaved as they do now, with one probe per minute."""
    step = round(MINUTE)
    end = int(time.time()) // step * step
    start = end - HISTORY_MINUTES * step
    (folder / "data").mkdir()
    replay = Replay(programs, folder, start, end)
    replay.add(_past(range(start, end, step), instance, names))
    replay.record(regression_rules())


def _past(times: range, instance: str, names: list[str]) -> Iterator[Series]:
    dice, lately = random.Random(1), times[-KNOWN_MINUTES:]
    for name in names:
        labels = {
            "job": "inference", "instance": instance, "target": name, "provider": "openai",
            "model": name, "probe": "short",
        }  # fmt: skip
        if name == "slow":
            seconds = [FIRST_TOKEN_SECONDS * dice.lognormvariate(0, JITTER) for _ in times]
            yield Series("inference_last_probe_time_to_first_token_seconds", labels, times, seconds)
            stamps = [float(moment) for moment in times]
            yield Series("inference_last_probe_timestamp_seconds", labels, times, stamps)
        counts = [float(number) for number in range(len(lately))]
        of_slo = {**labels, "slo": "success"}
        for counter in ("inference_slo_probes_total", "inference_slo_good_probes_total"):
            yield Series(counter, of_slo, lately, counts)


def _tell(stage: Stage, person: OnCall) -> None:
    """Print what happened and what was sent. To see it, run `pytest -s`."""
    for moment, what in stage.done:
        sys.stdout.write(f"{stage.minutes(moment):6.1f} min  {what}\n")
    for call in person.calls:
        who = call.labels.get("target") or call.labels.get("instance")
        what = f"{call.receiver} <- {call.status} {call.labels['alertname']} {who}"
        at = f"{stage.minutes(call.heard_at):6.1f} min"
        sys.stdout.write(f"{at}  {what}\n            {call.annotations['summary']}\n")


def test_one_incident_is_one_message_and_nothing_says_is_once_it_is_over(
    tool: Callable[[str], Path], tmp_path: Path
) -> None:
    programs = Tools(tool("prometheus"), tool("promtool"))
    with ExitStack() as stack:
        stage = Stage(programs, tool("alertmanager"), tmp_path, stack)
        person, targets = stage.person, {*INCIDENTS, "booting"}
        try:
            well = "count(min_over_time(inference_last_probe_success[30s]) == 1)"
            eventually(lambda: stage.prometheus.query(well), lambda n: n == [8], seconds=180)
            time.sleep(3 * MINUTE)

            for name, (script, _) in INCIDENTS.items():
                stage.play(script, name)
            stage.boot(minutes=120)
            time.sleep(SENT_WITHIN_MINUTES * MINUTE)
            firing = {
                call.labels["target"]: call.labels["alertname"]
                for call in person.calls
                if call.status == "firing" and "target" in call.labels
            }
            stage.play(WELL, *INCIDENTS)
            stage.boot(minutes=0)
            stage.wait_until_silent(IS)
            stage.wait_until_silent(TAKES)
            time.sleep(10 * MINUTE)
            assert firing == {name: alert for name, (_, alert) in INCIDENTS.items()} | {
                "booting": "InferenceModelNotReady"
            }

            stage.play(failing(1, Hang()), *INCIDENTS, *STEADY)
            time.sleep(10 * MINUTE)
            assert len(person.heard("InferenceVantagePointDegraded", "firing")) == 1
            stage.play(WELL, *INCIDENTS, *STEADY)
            eventually(
                lambda: person.heard("InferenceVantagePointDegraded", "resolved"),
                seconds=20 * MINUTE,
            )

            stage.exporter.terminate()
            eventually(lambda: person.heard("InferenceExporterAbsent", "firing"), seconds=180)
        finally:
            _tell(stage, person)
        sent = Counter(
            call.labels.get("target", call.labels["alertname"])
            for call in person.calls
            if call.status == "firing" and call.labels["alertname"] not in OF_THE_MACHINE
        )
        assert sent == Counter(
            [*targets, "InferenceVantagePointDegraded", "InferenceExporterAbsent"]
        )
