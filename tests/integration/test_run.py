"""The exporter's life cycle: start, probe, reload, reject a bad file, stop."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.cluster.sharding import Shard
from exporter.cluster.source import FileSource
from exporter.simulator import Script, Simulator, run_in_thread
from tests.process import cli, eventually, exporter, free_port, process


@dataclass
class Running:
    url: str
    config: Path
    log: Path
    process: subprocess.Popen[bytes]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the sum of the samples with this name and these labels, or None if there are
        none."""
        text = httpx.get(f"{self.url}/metrics").text
        found = [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(found) if found else None

    def successes(self, target: str) -> float:
        return self.value("inference_probes_total", target=target, outcome="success") or 0


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    scripts = {
        "fast": Script(first_token_seconds=0.02, token_gap_seconds=0.001),
        "slow": Script(first_token_seconds=1.5, token_gap_seconds=0.001),
    }
    with run_in_thread(Simulator(scripts)) as running:
        yield running.url


def configuration(simulator: str, port: int, *names: str, model: str = "fast") -> str:
    lines = [
        f"web: {{listen: '127.0.0.1:{port}', enable_lifecycle: true}}",
        "defaults: {interval: 300ms}",
        "targets:",
    ]
    lines += [
        f"  - {{name: {name}, provider: openai, model: {model}, base_url: '{simulator}/v1'}}"
        for name in names
    ]
    return "\n".join(lines)


@contextmanager
def running(text: str, port: int, folder: Path, **env: str) -> Iterator[Running]:
    config, log = folder / "config.yaml", folder / "log"
    config.write_text(text)
    with process(exporter("run", "--config", config), log, **env) as started:
        run = Running(f"http://127.0.0.1:{port}", config, log, started)
        try:
            eventually(lambda: httpx.get(f"{run.url}/-/ready"), lambda r: r.status_code == 200)
            yield run
        finally:
            print(log.read_text())  # noqa: T201 - pytest shows it if the test fails


def test_probes_are_sent_and_scraped(simulator: str, tmp_path: Path) -> None:
    port = free_port()
    with running(configuration(simulator, port, "a"), port, tmp_path) as run:
        eventually(lambda: run.successes("a"), lambda count: count >= 2)
        eventually(lambda: run.value("inference_time_to_first_token_seconds_count", target="a"))


@pytest.mark.parametrize("how", ["signal", "request", "file"])
def test_a_reload_adds_and_removes_targets(how: str, simulator: str, tmp_path: Path) -> None:
    port = free_port()
    with running(configuration(simulator, port, "a", "b"), port, tmp_path) as run:
        eventually(lambda: run.successes("a"), lambda count: count >= 1)
        before = run.successes("a")
        run.config.write_text(configuration(simulator, port, "a", "c"))
        if how == "signal":
            run.process.send_signal(signal.SIGHUP)
        elif how == "request":
            assert httpx.post(f"{run.url}/-/reload").status_code == 200
        eventually(lambda: run.successes("c"), lambda count: count >= 1)
        assert run.value("inference_probes_total", target="b") is None
        assert run.successes("a") >= before


def test_three_shards_probe_every_target_once(simulator: str, tmp_path: Path) -> None:
    names = [f"t{number}" for number in range(12)]
    ports = [free_port() for _ in range(3)]
    config = tmp_path / "config.yaml"
    config.write_text(configuration(simulator, ports[0], *names))
    owners: Counter[str] = Counter()
    with ExitStack() as stack:
        for index, port in enumerate(ports):
            run = exporter("run", "--config", config, "--shard", f"{index}/3")
            listen = {"INFERENCE_EXPORTER_WEB__LISTEN": f"127.0.0.1:{port}"}
            stack.enter_context(process(run, tmp_path / f"log{index}", **listen))
        for port in ports:
            url = f"http://127.0.0.1:{port}"
            eventually(partial(httpx.get, f"{url}/-/ready"), lambda answer: answer.is_success)
            rows = httpx.get(f"{url}/api/v1/targets").json()["targets"]
            owners.update(row["target"] for row in rows)
            shard = f'\ninference_exporter_shards{{shard="{ports.index(port)}"}} 3'
            assert shard in httpx.get(f"{url}/metrics").text
    assert owners == Counter(names)


def test_targets_of_one_model_server_stay_on_one_shard(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    common = "provider: openai, model: m, base_url: 'http://127.0.0.1:9/v1'"
    cold = "cold_start: {idle: 30m, group: gpu}"
    config.write_text(
        "\n".join(["targets:", *(f"  - {{name: t{n}, {common}, {cold}}}" for n in range(9))])
    )
    owned = [len(FileSource(config, Shard(index, 3)).load().targets) for index in range(3)]
    assert sorted(owned) == [0, 0, 9]


def test_shards_together_keep_to_the_budget(tmp_path: Path) -> None:
    """Each shard has its share, and its own file, because they can share a folder."""
    config = tmp_path / "config.yaml"
    config.write_text("budget: {usd_per_day: 6, state_file: spent.json}\ntargets: []")
    budgets = [FileSource(config, Shard(index, 3)).load().budget for index in range(3)]
    assert [budget.usd_per_day for budget in budgets] == [2, 2, 2]
    files = [budget.state_file for budget in budgets]
    assert files == [tmp_path / f"spent-{index}.json" for index in range(3)]


def test_without_shards_the_budget_is_as_written(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("budget: {usd_per_day: 6, state_file: spent.json}\ntargets: []")
    budget = FileSource(config).load().budget
    assert (budget.usd_per_day, budget.state_file) == (6, tmp_path / "spent.json")


def test_an_invalid_shard_is_refused(tmp_path: Path) -> None:
    answer = cli("run", "--config", tmp_path / "config.yaml", "--shard", "3/3")
    assert answer.returncode == 2
    assert "there is no shard 3 of 3" in answer.stderr


def test_a_bad_file_changes_nothing_and_is_logged(simulator: str, tmp_path: Path) -> None:
    port = free_port()
    with running(configuration(simulator, port, "a"), port, tmp_path) as run:
        run.config.write_text("targets: [{nme: x}]")
        answer = httpx.post(f"{run.url}/-/reload")
        assert answer.status_code == 500
        assert "did you mean 'name'" in answer.text
        assert run.value("inference_exporter_config_last_reload_successful") == 0
        before = run.successes("a")
        eventually(lambda: run.successes("a"), lambda count: count > before)
        run.config.write_text(configuration(simulator, port, "a"))
        eventually(lambda: run.value("inference_exporter_config_last_reload_successful") == 1)


def test_a_configmap_swap_is_taken_up(simulator: str, tmp_path: Path) -> None:
    port = free_port()
    for version, name in (("v1", "a"), ("v2", "b")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "config.yaml").write_text(configuration(simulator, port, name))
    data = tmp_path / "..data"
    data.symlink_to("v1")
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    with process(exporter("run", "--config", tmp_path / "config.yaml"), tmp_path / "log") as proc:
        run = Running(f"http://127.0.0.1:{port}", tmp_path / "config.yaml", tmp_path, proc)
        eventually(lambda: run.successes("a"), lambda count: count >= 1)
        fresh = tmp_path / "..data_tmp"
        fresh.symlink_to("v2")
        fresh.rename(data)
        eventually(lambda: run.successes("b"), lambda count: count >= 1)
        assert run.value("inference_probes_total", target="a") is None


def test_sigterm_lets_a_probe_end_and_exits_with_0(simulator: str, tmp_path: Path) -> None:
    port = free_port()
    with running(configuration(simulator, port, "a", model="slow"), port, tmp_path) as run:
        eventually(lambda: run.value("inference_exporter_probes_in_flight") == 1)
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(60) == 0
        lines = [json.loads(line) for line in run.log.read_text().splitlines()]
    events = [line["event"] for line in lines]
    late = "probe missed its schedule"  # on a busy machine
    assert [event for event in events if event != late] == ["started", "stopping"]


def test_a_failed_probe_is_one_log_line_without_the_secret(simulator: str, tmp_path: Path) -> None:
    port, key = free_port(), "sk-not-to-be-seen-anywhere"
    text = configuration(simulator, port, "a", model="unknown")
    text = (
        text.replace("}", ", api_key: {env: SIM_KEY}}")
        .replace("enable_lifecycle: true, api_key: {env: SIM_KEY}}", "enable_lifecycle: true}")
        .replace("300ms, api_key: {env: SIM_KEY}}", "300ms}")
    )
    with running(text, port, tmp_path, SIM_KEY=key) as run:
        eventually(lambda: run.value("inference_probe_failures_total", reason="not_found"))
        paths = ("/", "/problems", "/config", "/targets/a", "/api/v1/targets")
        page = "".join(httpx.get(f"{run.url}{path}").text for path in paths)
        assert "SIM_KEY" in page
        scrape = httpx.get(f"{run.url}/metrics").text
    log = run.log.read_text()
    assert '"event": "probe failed"' in log
    assert '"reason": "not_found"' in log
    assert key not in log + page + scrape


def test_an_address_in_use_is_said_plainly(simulator: str, tmp_path: Path) -> None:
    port = free_port()
    with running(configuration(simulator, port, "a"), port, tmp_path) as run:
        second = cli("run", "--config", run.config)
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_bad_file_at_the_start_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("targets:\n  - {name: a, provider: opnai, model: m}\n")
    done = cli("run", "--config", config)
    assert done.returncode == 1
    assert f"{config}:2" in done.stderr
    assert "did you mean 'openai'" in done.stderr


def catches_hangups(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = re.search(r"SigCgt:\s+([0-9a-f]+)", status)
    return bool(caught and int(caught[1], 16) & 1 << (signal.SIGHUP - 1))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_hangup_while_it_starts_is_a_reload_once_it_runs(simulator: str, tmp_path: Path) -> None:
    port, config, log = free_port(), tmp_path / "config.yaml", tmp_path / "log"
    config.write_text(configuration(simulator, port, "a"))
    with process(exporter("run", "--config", config), log) as started:
        eventually(lambda: catches_hangups(started.pid))
        started.send_signal(signal.SIGHUP)
        eventually(lambda: "configuration reloaded" in log.read_text())
        assert httpx.get(f"http://127.0.0.1:{port}/-/ready").status_code == 200


@pytest.mark.skipif(
    signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, reason="nohup keeps hangups from everybody"
)
@pytest.mark.parametrize("seconds", [0.1, 0.3])
def test_a_hangup_ends_a_command_that_has_nothing_to_reload(tmp_path: Path, seconds: float) -> None:
    simulate = exporter("simulate", "--listen", f"127.0.0.1:{free_port()}")
    with process(simulate, tmp_path / "log") as started:
        time.sleep(seconds)
        started.send_signal(signal.SIGHUP)
        assert started.wait(60) == -signal.SIGHUP
