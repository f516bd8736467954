"""The examples run as written, with simulated providers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from exporter.simulator import Script, Simulator, run_in_thread
from exporter.simulator.cast import MODELS
from tests.deploy.pod_security import breaches
from tests.deploy.schemas import validate
from tests.deploy.variants import kustomize, workloads
from tests.integration.cluster import cluster_with
from tests.process import cli, eventually, exporter, free_port, process
from tests.prometheus import running_prometheus

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PATHS = {model.provider: model.path for model in MODELS}
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "DASHSCOPE_API_KEY")
QUICK = Script(first_token_seconds=0.3, token_gap_seconds=0.008, answer_tokens=20)
SLOW = Script(first_token_seconds=0.8, token_gap_seconds=0.008, answer_tokens=20)
Tool = Callable[[str], Path]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, f"sk-{name.lower()}-0123456789")


def written(example: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((EXAMPLES / example / "config.yaml").read_text())
    return config


@contextmanager
def running(
    example: str, folder: Path, scripts: Mapping[str, Script], interval: str = "300ms"
) -> Iterator[str]:
    """Run the example's exporter with simulated targets, and yield its URL.

    :param scripts: the script of each target, by name.
    """
    shutil.copytree(EXAMPLES / example, folder, dirs_exist_ok=True)
    config, port = written(example), free_port()
    with run_in_thread(Simulator(dict(scripts))) as simulator:
        for target in config["targets"]:
            target["model"] = target["name"]
            target["base_url"] = simulator.url + PATHS[target["provider"]]
        for control in config.get("controls", ()):
            control["url"] = simulator.url
        config["defaults"]["interval"] = interval
        config["web"] = {"listen": f"127.0.0.1:{port}"}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        run = exporter("run", "--config", folder / "config.yaml")
        with process(run, folder / "log"):
            yield f"http://127.0.0.1:{port}"


def states(url: str) -> dict[str, str | None]:
    """Return the state of each target by its latest result: up, or the reason."""
    rows = httpx.get(f"{url}/api/v1/targets").json()["targets"]
    seen = {row["target"]: row["last"] for row in rows}
    return {
        name: "up" if last and last["success"] else last and last["failure"]["reason"]
        for name, last in seen.items()
    }


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/config.yaml")), ids=lambda p: p.parent.name
)
def test_an_example_has_nothing_to_warn_of_but_what_it_leaves_to_you(path: Path) -> None:
    checked = cli("check-config", path)
    assert checked.returncode == 0, checked.stderr
    warned = [line for line in checked.stdout.splitlines() if line.startswith("warning")]
    assert [line for line in warned if "price not known" not in line] == []


def test_hosted_apis_are_all_up(tmp_path: Path) -> None:
    names = [target["name"] for target in written("hosted")["targets"]]
    with running("hosted", tmp_path, dict.fromkeys(names, QUICK)) as url:
        eventually(lambda: states(url), lambda seen: seen == dict.fromkeys(names, "up"), 40)


def script(folder: Path, name: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script of an example with the installed command."""
    command = folder / "bin" / "inference-exporter"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m exporter "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [folder / name], cwd=folder, capture_output=True, text=True, timeout=90, check=False,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **env},
    )  # fmt: skip


@contextmanager
def watched(tool: Tool, folder: Path, url: str, probes: int) -> Iterator[str]:
    """Run a Prometheus until it has seen this many probes of each target, and yield its URL."""
    (folder / "prometheus").mkdir()
    with running_prometheus(tool("prometheus"), folder / "prometheus", url) as past:
        changed = f"min(changes(inference_last_probe_timestamp_seconds[10m])) > {probes}"
        eventually(lambda: past.query(changed), seconds=probes + 120)
        yield past.url


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("canary", "code"), [(QUICK, 0), (SLOW, 1)], ids=["same", "slow"])
def test_the_gate_lets_a_canary_on_or_not(
    canary: Script, code: int, tool: Tool, tmp_path: Path
) -> None:
    scripts = {"stable": QUICK, "canary": canary}
    with (
        running("canary", tmp_path, scripts, "1s") as url,
        watched(tool, tmp_path, url, 120) as past,
    ):
        answer = script(tmp_path, "gate.sh", PROMETHEUS=past, SINCE="10m")
    assert answer.returncode == code, answer.stdout + answer.stderr


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_week_ends_with_a_report(tool: Tool, tmp_path: Path) -> None:
    scripts = {"current": QUICK, "offered": SLOW}
    with (
        running("buyers-week", tmp_path, scripts) as url,
        watched(tool, tmp_path, url, 110) as past,
    ):
        answer = script(tmp_path, "report.sh", PROMETHEUS=past, SINCE="10m")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "worse" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "report.json").stat().st_size > 1000


def test_a_fleet_is_deployed_restricted_and_its_pods_are_found(tool: Tool, tmp_path: Path) -> None:
    documents = kustomize(tool, EXAMPLES / "fleet")
    for document in documents:
        validate(document)
    pods = list(workloads(documents))
    assert {name: list(breaches(pod)) for name, pod in pods} == {"inference-exporter": []}
    config, port = written("fleet"), free_port()
    with (
        run_in_thread(Simulator({"m": QUICK})) as simulator,
        cluster_with(simulator, tmp_path) as api,
    ):
        (found,) = config["kubernetes_discovery"]
        found["selector"] = "app=vllm"
        found["target"]["model"] = "m"
        config |= yaml.safe_load(api)
        config["defaults"]["interval"] = "300ms"
        config["web"] = {"listen": f"127.0.0.1:{port}"}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        with process(exporter("run", "--config", tmp_path / "config.yaml"), tmp_path / "log"):
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: states(url), lambda seen: seen == {"vllm-0": "up"}, 40)
