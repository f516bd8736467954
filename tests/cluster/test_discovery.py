"""Targets come and go with pods and services, and stay while the API server is down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from exporter.config.loading import config_file
from exporter.config.loading.config_file import ConfigError
from exporter.simulator import Script, Simulator, run_in_thread
from tests.cluster.api_server import ApiServer, running
from tests.deploy.variants import KUBERNETES
from tests.process import eventually, exporter, free_port, process

RBAC = KUBERNETES / "components" / "discovery" / "rbac.yaml"
ROLES = [r for r in yaml.safe_load_all(RBAC.read_text()) if r["kind"] == "Role"]
SELECTOR = "app.kubernetes.io/component=model-server"
LABELS = {"app.kubernetes.io/component": "model-server", "model": "fast"}


def pod(name: str, port: int, **changes: Any) -> dict[str, Any]:
    container = {"name": "vllm", "ports": [{"name": "http", "containerPort": port}]}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "labels": LABELS, **changes.get("metadata", {})},
        "spec": {"containers": [container]},
        "status": {"phase": "Running", "podIP": "127.0.0.1", **changes.get("status", {})},
    }


@pytest.fixture
def server() -> ApiServer:
    return ApiServer(ROLES)


@pytest.fixture(scope="module")
def model_server() -> Iterator[int]:
    with run_in_thread(Simulator({"fast": Script(first_token_seconds=0.01)})) as simulator:
        yield httpx.URL(simulator.url).port or 0


class Exporter:
    """The exporter's metrics."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def targets(self) -> set[str]:
        rows = httpx.get(f"{self.url}/api/v1/targets").json()["targets"]
        return {row["target"] for row in rows}

    def metrics(self) -> str:
        return httpx.get(f"{self.url}/metrics").text

    def has(self, *names: str) -> None:
        eventually(self.targets, lambda found: found == set(names))

    def line(self, start: str) -> float:
        """Return the value of the only sample that starts like this."""
        (found,) = (line for line in self.metrics().splitlines() if line.startswith(start))
        return float(found.rpartition(" ")[2])


@contextmanager
def exporting(
    server: ApiServer, folder: Path, discovery: str, more: str = ""
) -> Iterator[Exporter]:
    port = free_port()
    with running(server, folder) as kubernetes:
        lines = (
            f"web: {{listen: '127.0.0.1:{port}'}}",
            "defaults: {interval: 300ms}",
            kubernetes,
            more,
            f"kubernetes_discovery: [{discovery}]",
        )
        (folder / "config.yaml").write_text("\n".join(lines))
        with process(exporter("run", "--config", folder / "config.yaml"), folder / "log"):
            shown = Exporter(port)
            eventually(lambda: httpx.get(f"{shown.url}/-/ready").is_success)
            try:
                yield shown
            finally:
                print((folder / "log").read_text())  # noqa: T201 - shown if the test fails


PODS = (
    f"{{selector: {SELECTOR}, port: http, target: {{name: 'pod {{name}}', provider: openai,"
    " model: '{label:model}', base_url: 'http://{address}:{port}/v1',"
    " labels: {replica: '{name}'}}}"
)


def test_a_new_replica_is_probed_and_a_gone_one_has_no_series(
    server: ApiServer, model_server: int, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        server.put("pods", pod(name, model_server))
    with exporting(server, tmp_path, PODS) as shown:
        shown.has("pod a", "pod b", "pod c")
        server.put("pods", pod("d", model_server))
        server.put("pods", {**pod("a", model_server), "status": {"phase": "Succeeded"}})
        server.delete("pods", "b")
        shown.has("pod c", "pod d")
        success = 'inference_probes_total{target="pod d"'
        eventually(shown.metrics, lambda text: success in text and 'replica="d"' in text)
        assert 'target="pod a"' not in shown.metrics()
        assert shown.line('inference_exporter_discovered_targets{state="probed"}') == 2
    verbs = {verb for verb, resource in server.requests if resource == "pods"}
    assert verbs == {"list", "watch"}


@pytest.mark.slow
def test_a_replica_that_boots_or_is_about_to_end_is_no_target(
    server: ApiServer, model_server: int, tmp_path: Path
) -> None:
    server.put("pods", pod("pending", model_server, status={"podIP": None}))
    going = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    server.put("pods", pod("going", model_server, **going))
    server.put("pods", pod("other", model_server, metadata={"labels": {}}))
    server.put("pods", pod("there", model_server))
    with exporting(server, tmp_path, PODS) as shown:
        shown.has("pod there")
        server.put("pods", pod("pending", model_server))
        shown.has("pod there", "pod pending")
        server.put("pods", pod("there", model_server, metadata={"labels": {}}))
        shown.has("pod pending")


@pytest.mark.slow
def test_what_was_found_stays_while_the_api_server_is_away(
    server: ApiServer, model_server: int, tmp_path: Path
) -> None:
    server.put("pods", pod("a", model_server))
    with exporting(server, tmp_path, PODS) as shown:
        shown.has("pod a")
        server.down = True
        before = shown.line("inference_exporter_kubernetes_last_success_timestamp_seconds")
        log = tmp_path / "log"
        eventually(lambda: "the targets stay as they are" in log.read_text())
        server.put("pods", pod("b", model_server))
        server.delete("pods", "a")
        server.forget_history()  # so that the watch can't simply continue
        assert shown.targets() == {"pod a"}
        server.down = False
        shown.has("pod b")
        after = shown.line("inference_exporter_kubernetes_last_success_timestamp_seconds")
        assert after > before
        server.forget_history()
        server.put("pods", pod("c", model_server))
        shown.has("pod b", "pod c")
        assert server.token not in log.read_text()


@pytest.mark.slow
def test_a_busy_api_server_is_waited_for_and_not_asked_for_a_new_list(
    server: ApiServer, model_server: int, tmp_path: Path
) -> None:
    server.put("pods", pod("a", model_server))
    with exporting(server, tmp_path, PODS) as shown:
        shown.has("pod a")
        server.requests.clear()
        server.busy_for = 3.0
        eventually(lambda: '"retry_seconds": 3.0' in (tmp_path / "log").read_text())
        assert server.requests == [("watch", "pods")]
        server.put("pods", pod("b", model_server))
        server.busy_for = None
        shown.has("pod a", "pod b")
        assert ("list", "pods") not in server.requests


def test_what_makes_no_target_is_told_and_does_not_disturb_the_others(
    server: ApiServer, model_server: int, tmp_path: Path
) -> None:
    unlabelled = {"metadata": {"labels": {"app.kubernetes.io/component": "model-server"}}}
    server.put("pods", pod("unlabelled", model_server, **unlabelled))
    server.put("pods", pod("taken", model_server))
    server.put("pods", pod("a", model_server))
    static = (
        "targets: [{name: pod taken, provider: openai, model: m, base_url: 'http://127.0.0.1:1'}]"
    )
    with exporting(server, tmp_path, PODS, static) as shown:
        shown.has("pod a", "pod taken")
        assert shown.line('inference_exporter_discovered_targets{state="refused"}') == 2
        log = (tmp_path / "log").read_text()
        assert "it has no label 'model'" in log
        assert "another target is named 'pod taken'" in log


def test_services_are_targets_by_their_names(server: ApiServer, tmp_path: Path) -> None:
    spec = {"ports": [{"name": "metrics", "port": 9}, {"name": "http", "port": 80}]}
    metadata = {"name": "vllm", "labels": LABELS}
    server.put("services", {"kind": "Service", "metadata": metadata, "spec": spec})
    target = "target: {provider: openai, model: m, base_url: 'http://{address}:{port}/v1'}"
    discovery = f"{{role: service, selector: {SELECTOR}, port: http, {target}}}"
    with exporting(server, tmp_path, discovery) as shown:
        shown.has("default/vllm")
        (row,) = httpx.get(f"{shown.url}/api/v1/targets").json()["targets"]
        assert row["endpoint"] == "http://vllm.default.svc:80/v1"


def test_a_namespace_without_the_role_says_what_is_not_allowed(
    server: ApiServer, tmp_path: Path
) -> None:
    server.rules = []
    with exporting(server, tmp_path, PODS):
        eventually(lambda: 'cannot list resource \\"pods\\"' in (tmp_path / "log").read_text())


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("name: '{nmae}'", "target: unknown placeholder 'nmae'; did you mean 'name'?"),
        ("modle: m", "target.modle: unknown key; did you mean 'model'?"),
        ("interval: soon", "target.interval: "),
        ("probes: [shrt]", "target.probes[0]: unknown probe 'shrt'; did you mean 'short'?"),
        ("base_url: '{address}'", "target.base_url: must be an http:// or https:// URL"),
        ("api_key: sk-1", "target.api_key: secrets are never values in the file"),
        (
            "price: {input: 1, output: 2, currency: EUR}",
            "target.price.currency: has no rate; set currencies: {EUR: USD per unit}",
        ),
    ],
)
def test_a_wrong_template_is_found_before_anything_else(
    target: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    template = f"{{provider: openai, model: m, {target}}}"
    path.write_text(f"kubernetes_discovery: [{{selector: a=b, port: 80, target: {template}}}]")
    with pytest.raises(ConfigError) as refused:
        config_file.load(path)
    assert f"kubernetes_discovery[0].{complaint}" in str(refused.value)


def test_outside_a_cluster_it_asks_where_the_api_server_is(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"kubernetes_discovery: [{PODS}]")
    with process(exporter("run", "--config", path), tmp_path / "log") as started:
        assert started.wait(60) == 1
    assert "kubernetes.api_server: must be set outside" in (tmp_path / "log").read_text()
