"""The chart as released: its package is complete, and it fits the exporter's web server."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import bcrypt
import pytest
import trustme

from exporter import __version__
from tests.deploy.variants import CHART, KUBERNETES_VERSION, ROOT, Document, Tool, helm
from tests.process import eventually, exporter, free_port, process

VALUES = (
    f"--kube-version={KUBERNETES_VERSION}",
    "--set=prometheusRule.enabled=true",
    "--set=dashboards.enabled=true",
)


def test_a_packaged_chart_holds_what_its_links_lead_to(tool: Tool, tmp_path: Path) -> None:
    helm = tool("helm")
    package: list[str | Path] = [helm, "package", CHART, "--destination", tmp_path]
    subprocess.run(package, check=True, capture_output=True)
    packaged = tmp_path / f"inference-exporter-{__version__}.tgz"
    with tarfile.open(packaged) as archive:
        assert all(member.isfile() for member in archive.getmembers())
        names = {Path(member.name).name for member in archive.getmembers()}
    assert {path.name for path in (ROOT / "dashboards" / "json").glob("*.json")} <= names
    from_package, from_folder = (
        subprocess.run(
            [helm, "template", "mine", chart, *VALUES], check=True, capture_output=True
        ).stdout
        for chart in (packaged, CHART)
    )
    assert from_package == from_folder


_SECRET = {"name": "web", "key": "any"}
PASSWORD = {"basicAuth": {"username": _SECRET, "password": _SECRET}}
TLS = {"scheme": "https", "tlsConfig": {"ca": {"secret": _SECRET}}}
CLIENT_CERTIFICATE = {
    "scheme": "https",
    "tlsConfig": {"cert": {"secret": _SECRET}, "keySecret": _SECRET},
}
"""What ``web.config_file`` can require."""
FIELDS = ("scheme", "tlsConfig", "basicAuth")


def with_web(tool: Tool, web: Document) -> list[Document]:
    probe = {"enabled": True, "targets": ["a"]}
    monitors: Document = {"serviceMonitor": {"enabled": True}, "probe": probe}
    return helm(tool, {"config": {"targets": []}, "web": web, **monitors})


@pytest.mark.parametrize(
    ("web", "check"),
    [
        ({}, {"httpGet": {"path": "/-/ready", "port": "metrics"}}),
        (TLS, {"httpGet": {"path": "/-/ready", "port": "metrics", "scheme": "HTTPS"}}),
        (PASSWORD, {"tcpSocket": {"port": "metrics"}}),
        (CLIENT_CERTIFICATE, {"tcpSocket": {"port": "metrics"}}),
    ],
)
def test_the_kubelet_and_prometheus_reach_a_secured_server(
    web: Document, check: Document, tool: Tool
) -> None:
    documents = {document["kind"]: document.get("spec", {}) for document in with_web(tool, web)}
    (container,) = documents["Deployment"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        handler = {k: v for k, v in container[probe].items() if k in ("httpGet", "tcpSocket")}
        assert handler.keys() == check.keys()
    assert check.items() <= container["readinessProbe"].items()
    (endpoint,) = documents["ServiceMonitor"]["endpoints"]
    assert {k: v for k, v in endpoint.items() if k in FIELDS} == web
    asked = {**documents["Probe"], **documents["Probe"]["prober"]}
    assert {k: v for k, v in asked.items() if k in FIELDS} == web
    assert ("Pod" in documents) is (web is not CLIENT_CERTIFICATE), "helm test has no certificate"


def test_helm_test_passes_on_a_secured_server(tool: Tool, tmp_path: Path) -> None:
    port = free_port()
    authority = trustme.CA()
    certificate = authority.issue_cert("another.example").private_key_and_cert_chain_pem
    certificate.write_to_path(tmp_path / "server.pem")
    web, config = tmp_path / "web.yml", tmp_path / "config.yaml"
    tls = "tls_server_config: {cert_file: server.pem, key_file: server.pem}\n"
    web.write_text(tls)
    config.write_text(f"web: {{listen: '127.0.0.1:{port}', config_file: web.yml}}\ntargets: []\n")

    def helm_test(web: Document) -> int:
        (pod,) = (document for document in with_web(tool, web) if document["kind"] == "Pod")
        script, url = pod["spec"]["containers"][0]["args"]
        here = url.replace("mine-inference-exporter:9850", f"127.0.0.1:{port}")
        command = [sys.executable, "-I", "-c", script, here]
        return subprocess.run(command, capture_output=True, check=False).returncode

    with process(exporter("run", "--config", config), tmp_path / "log"):
        eventually(lambda: helm_test(TLS) == 0)
        assert helm_test({**TLS, **PASSWORD}) == 1
        hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
        web.write_text(f"{tls}basic_auth_users: {{prometheus: '{hashed}'}}\n")
        eventually(lambda: helm_test({**TLS, **PASSWORD}) == 0)
