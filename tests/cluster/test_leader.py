"""Only one of two exporters probes, and every probe is paid once, whatever happens to either."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from exporter.simulator import Script, Simulator, run_in_thread
from tests.cluster.api_server import ApiServer, running
from tests.deploy.variants import KUBERNETES
from tests.process import eventually, exporter, free_port, process

pytestmark = pytest.mark.slow

RBAC = KUBERNETES / "components" / "leader-election" / "rbac.yaml"
ROLES = [r for r in yaml.safe_load_all(RBAC.read_text()) if r["kind"] == "Role"]
LEASE = yaml.safe_load((RBAC.parent / "lease.yaml").read_text())
DURATION = 3.0
"""The lease duration in these tests."""


@dataclass
class Replica:
    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def metrics(self) -> str:
        return httpx.get(f"{self.url}/metrics").text

    def leads(self) -> bool:
        return bool(re.search(r"^inference_exporter_leader{.*} 1.0$", self.metrics(), re.MULTILINE))

    def probes(self) -> float:
        """Return how many probes the replica counted. 0 if it shows no targets."""
        lines = self.metrics().splitlines()
        found = [line for line in lines if line.startswith("inference_probes_total{")]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    def targets(self) -> set[str]:
        """Return the names of the targets that the replica shows."""
        return set(re.findall(r'inference_probes_total{.*?target="(\w+)"', self.metrics()))


@pytest.fixture
def simulator() -> Simulator:
    return Simulator({"fast": Script(first_token_seconds=0.01, token_gap_seconds=0.001)})


@pytest.fixture
def server() -> ApiServer:
    server = ApiServer(ROLES)
    server.put("leases", LEASE)
    return server


@contextmanager
def replica(config: Path, name: str, *arguments: str) -> Iterator[Replica]:
    port, log = free_port(), config.with_name(f"{name}.log")
    listen = {"INFERENCE_EXPORTER_WEB__LISTEN": f"127.0.0.1:{port}"}
    with process(exporter("run", "--config", config, *arguments), log, **listen) as started:
        one = Replica(f"http://127.0.0.1:{port}", log, started)
        try:
            eventually(lambda: httpx.get(f"{one.url}/-/ready").is_success)
            yield one
        finally:
            started.send_signal(signal.SIGCONT)
            print(name, log.read_text())  # noqa: T201 - shown if the test fails


def configuration(provider: str, kubernetes: str, *names: str) -> str:
    of_each = f"provider: openai, model: fast, base_url: '{provider}/v1'"
    targets = ", ".join(f"{{name: {name}, {of_each}}}" for name in names)
    return (
        f"defaults: {{interval: 200ms}}\n{kubernetes}\n"
        f"leader_election: kubernetes-lease\ntargets: [{targets}]\n"
    )


@contextmanager
def both(
    server: ApiServer, simulator: Simulator, folder: Path, duration: float = DURATION
) -> Iterator[tuple[Replica, Replica]]:
    """Run two replicas. The first one leads."""
    with run_in_thread(simulator) as provider, running(server, folder) as kubernetes:
        config = folder / "config.yaml"
        settings = kubernetes.replace(f"{DURATION:g}s", f"{duration:g}s")
        config.write_text(configuration(provider.url, settings, "t"))
        with replica(config, "first") as first:
            eventually(first.leads)
            with replica(config, "second") as second:
                eventually(first.probes)
                yield first, second


def took_over(one: Replica) -> float:
    """Wait until the replica leads and probes. Return how long that took, in seconds."""
    began = time.monotonic()
    eventually(one.leads)
    took = time.monotonic() - began
    eventually(one.probes)
    return took


def test_one_probes_and_both_name_the_leader(
    server: ApiServer, simulator: Simulator, tmp_path: Path
) -> None:
    with both(server, simulator, tmp_path) as (first, second):
        assert not second.leads()
        assert second.probes() == 0
        assert 'target="t"' not in second.metrics()
        holder = server.get("leases", "inference-exporter")["spec"]["holderIdentity"]
        labels = f'lease="inference-exporter",leader="{holder.rpartition("_")[0]}"'
        info = f"inference_exporter_leader_info{{{labels}}} 1.0"
        eventually(lambda: info in first.metrics() and info in second.metrics())
        assert "on standby" in httpx.get(second.url).text
        assert "on standby" not in httpx.get(first.url).text
        answer = httpx.get(f"{second.url}/probe?target=t")
        assert (answer.status_code, "on standby" in answer.text) == (503, True)
    assert {verb for verb, _ in server.requests} == {"get", "update"}


def test_a_leader_that_is_stopped_hands_over_at_once(
    server: ApiServer, simulator: Simulator, tmp_path: Path
) -> None:
    with both(server, simulator, tmp_path) as (first, second):
        first.process.terminate()
        first.process.wait(60)
        assert took_over(second) < DURATION
        assert server.get("leases", "inference-exporter")["spec"]["leaseTransitions"] == 2


def test_a_leader_that_is_killed_is_followed_when_its_lease_has_run_out(
    server: ApiServer, simulator: Simulator, tmp_path: Path
) -> None:
    with both(server, simulator, tmp_path) as (first, second):
        first.process.kill()
        first.process.wait(60)
        assert not second.leads()
        took_over(second)


def test_a_leader_that_was_frozen_wakes_up_as_a_standby(
    server: ApiServer, simulator: Simulator, tmp_path: Path
) -> None:
    with both(server, simulator, tmp_path) as (first, second):
        first.process.send_signal(signal.SIGSTOP)
        took_over(second)
        counted, asked = second.probes(), len(simulator.ledger)
        first.process.send_signal(signal.SIGCONT)
        eventually(lambda: not first.leads() and first.probes() == 0)
        eventually(lambda: second.probes() >= counted + 3)
        # The second replica sent all requests since then, except for those in progress.
        assert len(simulator.ledger) - asked <= second.probes() - counted + 2


def test_an_absence_of_the_api_server_within_the_lease_stops_nobody(
    server: ApiServer, simulator: Simulator, tmp_path: Path
) -> None:
    with both(server, simulator, tmp_path) as (first, second):
        renewed = server.get("leases", "inference-exporter")["spec"]["renewTime"]
        server.down = True
        eventually(lambda: "leads_for_seconds" in first.log.read_text())
        time.sleep(DURATION / 3)
        server.down = False
        eventually(
            lambda: server.get("leases", "inference-exporter")["spec"]["renewTime"] > renewed
        )
        assert first.leads()
        assert not second.leads()
        assert "became a standby" not in first.log.read_text()


@pytest.mark.parametrize("asked_for", [2.0, 0.0], ids=["says until when", "does not say"])
def test_a_busy_api_server_is_not_asked_more_often_and_the_leader_goes_on(
    asked_for: float, server: ApiServer, simulator: Simulator, tmp_path: Path
) -> None:
    with both(server, simulator, tmp_path, duration=12) as (first, second):
        server.requests.clear()
        server.busy_for = asked_for
        time.sleep(4)
        # One in 2 s, or one in 1.2 s, of each; one that gets no answer at all asks every 0.4 s.
        assert len(server.requests) <= 12
        assert first.leads()
        renewed = server.get("leases", "inference-exporter")["spec"]["renewTime"]
        server.busy_for = None
        eventually(
            lambda: server.get("leases", "inference-exporter")["spec"]["renewTime"] > renewed
        )
        assert not second.leads()
        assert "became a standby" not in first.log.read_text()


def test_a_leader_that_is_told_to_wait_for_longer_than_its_lease_stops_in_time(
    server: ApiServer, simulator: Simulator, tmp_path: Path
) -> None:
    with both(server, simulator, tmp_path) as (first, second):
        server.busy_for = 3600
        eventually(lambda: '"leads_for_seconds"' in first.log.read_text())
        eventually(lambda: first.probes() == 0)
        asked, requests = len(simulator.ledger), len(server.requests)
        time.sleep(1)
        assert len(simulator.ledger) <= asked + 1, "one may have been under way"
        assert len(server.requests) <= requests + 4
        server.busy_for = None
        eventually(lambda: first.leads() or second.leads(), seconds=30)
        eventually(lambda: len(simulator.ledger) > asked + 3)
        assert first.leads() != second.leads()


@pytest.mark.parametrize("how", ["down", "hanging"])
def test_a_leader_that_cannot_renew_stops_before_another_may_begin(
    how: str, server: ApiServer, simulator: Simulator, tmp_path: Path
) -> None:
    with both(server, simulator, tmp_path) as (first, second):
        setattr(server, how, True)
        eventually(lambda: not first.leads())
        eventually(lambda: first.probes() == 0)
        assert not second.leads(), "nobody can be elected meanwhile"
        asked = len(simulator.ledger)
        time.sleep(1)
        assert len(simulator.ledger) <= asked + 1, "one may have been under way"
        setattr(server, how, False)
        eventually(lambda: first.leads() or second.leads())
        eventually(lambda: len(simulator.ledger) > asked + 3)
        assert first.leads() != second.leads()


def test_a_missing_lease_says_what_to_do(
    server: ApiServer, simulator: Simulator, tmp_path: Path
) -> None:
    server.delete("leases", "inference-exporter")
    with run_in_thread(simulator), running(server, tmp_path) as kubernetes:
        config = tmp_path / "config.yaml"
        config.write_text(f"{kubernetes}\nleader_election: kubernetes-lease\n")
        with replica(config, "only") as only:
            eventually(lambda: "create it with kubectl apply" in only.log.read_text())
            assert not only.leads()


def test_each_shard_has_a_leader_of_its_own(simulator: Simulator, tmp_path: Path) -> None:
    leases = ["inference-exporter-0", "inference-exporter-1"]
    server = ApiServer([_with_names(role, leases) for role in ROLES])
    for name in leases:
        server.put("leases", {**LEASE, "metadata": {**LEASE["metadata"], "name": name}})
    names = [f"t{number}" for number in range(8)]
    with run_in_thread(simulator) as provider, running(server, tmp_path) as kubernetes:
        config = tmp_path / "config.yaml"
        config.write_text(configuration(provider.url, kubernetes, *names))
        with (
            replica(config, "first", "--shard", "0/2") as first,
            replica(config, "second", "--shard", "1/2") as second,
        ):
            eventually(lambda: first.leads() and second.leads())
            eventually(lambda: first.targets() | second.targets() == set(names))
            assert not first.targets() & second.targets()
            with replica(config, "standby", "--shard", "1/2") as standby:
                shard = second.targets()
                assert standby.targets() == set()
                second.process.terminate()
                second.process.wait(60)
                took_over(standby)
                assert standby.targets() == shard


def _with_names(role: Any, names: list[str]) -> Any:
    return {**role, "rules": [{**rule, "resourceNames": names} for rule in role["rules"]]}
