"""``probe --fail-on usual``, with a real Prometheus that has the usual times."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exporter.cli import main
from exporter.simulator import Script, Simulator
from exporter.simulator.thread import run_in_thread
from tests.prometheus import Prometheus, prometheus_with_past

NOW = int(time.time())
USUAL_SECONDS = {"as-usual": 25.0, "slower": 0.0001}
"""The simulator's time is between these two, even on a busy machine."""
NEVER_KEPT = "{time_to_first_token: {threshold: 1ms, ratio: 0.99}}"


def past() -> Iterator[str]:
    """Yield two days of samples for two targets, and three probes of a new one."""
    for target, seconds in USUAL_SECONDS.items():
        for place, factor in (("near", 0.5), ("far", 1.0)):
            times = range(NOW - 2 * 86_400, NOW, 300)
            yield from probed(target, place, seconds * factor, times)
    yield from probed("new", "near", 1.0, range(NOW - 900, NOW, 300))


def probed(target: str, place: str, seconds: float, times: range) -> Iterator[str]:
    labels = f'target="{target}",probe="p",instance="{place}"'
    for number, at in enumerate(times):
        took = "NaN" if number % 7 == 3 else seconds  # a failure
        for name in ("time_to_first_token", "request_duration"):
            yield f"inference_last_probe_{name}_seconds{{{labels}}} {took} {at}"
        yield f'inference_probes_total{{{labels},outcome="success"}} {number} {at}'


@pytest.fixture(scope="module")
def prometheus(
    tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    with prometheus_with_past(tool, tmp_path_factory.mktemp("past"), past()) as server:
        yield server


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("gate") / "config.yaml"
    names = (*USUAL_SECONDS, "new")
    script = Script(first_token_seconds=0.005, token_gap_seconds=0.0)
    with run_in_thread(Simulator(dict.fromkeys(names, script))) as simulator:
        of_each = (
            f"  - {{name: {name}, provider: openai, model: {name}, base_url: '{simulator.url}/v1',"
            f" slo: {NEVER_KEPT}}}"
            for name in names
        )
        path.write_text(
            "defaults: {max_uncertainty: 30s}\nprobes: {p: {prompt: Count.}}\ntargets:\n"
            + "\n".join(of_each)
        )
        yield path


def gate(config: Path, prometheus: Prometheus, *arguments: str) -> Result:
    past = ("--fail-on", "usual", "--prometheus", prometheus.url)
    command = ("probe", "--config", str(config), *past, *arguments)
    return CliRunner().invoke(main, command)


def test_a_target_that_is_slower_than_usual_fails_the_pipeline(
    config: Path, prometheus: Prometheus
) -> None:
    done = gate(config, prometheus, "--target", "slower", "--json")
    assert done.exit_code == 1, done.stderr
    (target,) = json.loads(done.stdout)["targets"]
    first, duration = target["objectives"]
    assert (first["name"], first["verdict"]) == ("usual_time_to_first_token", "broken")
    assert (duration["name"], duration["verdict"]) == ("usual_request_duration", "broken")
    # 1.25 times the median of the slower location. Failures have no time.
    assert first["threshold_seconds"] == pytest.approx(1.25 * USUAL_SECONDS["slower"])


def test_a_target_that_is_as_fast_as_usual_passes(config: Path, prometheus: Prometheus) -> None:
    done = gate(config, prometheus, "--target", "as-usual")
    assert done.exit_code == 0, done.stderr
    first, _ = done.stdout.splitlines()
    assert first.startswith("kept             as-usual/p  usual time to first token within 31.25 s")


@pytest.mark.parametrize(("also", "code"), [("unknown", 0), ("slo", 1)])
def test_an_slo_counts_only_if_it_is_asked_for(
    also: str, code: int, config: Path, prometheus: Prometheus
) -> None:
    done = gate(config, prometheus, "--target", "as-usual", "--fail-on", also)
    assert done.exit_code == code, done.stderr
    assert ("broken " in done.stdout) is bool(code)


def test_no_token_is_spent_where_nobody_knows_what_is_usual(
    config: Path, prometheus: Prometheus
) -> None:
    done = gate(config, prometheus)
    assert done.exit_code == 1
    assert "new/p: Prometheus at 127.0.0.1 saw " in done.stderr
    assert "it takes 20 to say what is usual; choose a longer --since" in done.stderr
    assert not done.stdout
