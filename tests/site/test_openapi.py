"""The OpenAPI description of the exporter matches the server's behavior."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path

import httpx
import jsonschema
import pytest
from starlette.routing import Route

from exporter.result import Failure, FailureReason
from exporter.simulator import Script, Simulator
from exporter.simulator.thread import run_in_thread
from exporter.site.routes import OPENAPI, routes
from tests.process import eventually, exporter, free_port, process
from tests.site.test_listener import Backend


def _await(url: str) -> None:
    eventually(lambda: httpx.get(url, trust_env=False).status_code, lambda s: s == 200)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run an exporter with healthy and failing targets, and yield its URL."""
    folder, port = tmp_path_factory.mktemp("openapi"), free_port()
    with run_in_thread(Simulator({"m": Script(token_gap_seconds=0.001)})) as simulator:
        (folder / "config.yaml").write_text(f"""
web: {{listen: '127.0.0.1:{port}'}}
defaults: {{interval: 1h, timeout: 5s}}
probes: {{p: {{prompt: Count.}}}}
targets:
  - {{name: good, provider: openai, model: m, base_url: '{simulator.url}/v1', labels: {{team: a}},
     slo: {{success_ratio: 0.99, time_to_first_token: {{threshold: 1s, ratio: 0.95}}}}}}
  - {{name: bad, provider: openai, model: none, base_url: '{simulator.url}/v1'}}
  - {{name: unasked, provider: openai, model: m, base_url: '{simulator.url}/v1'}}
""")
        command = exporter("run", "--config", folder / "config.yaml")
        with process(command, folder / "log"):
            url = f"http://127.0.0.1:{port}"
            _await(f"{url}/-/ready")
            yield url


def test_every_path_is_described() -> None:
    with closing(asyncio.new_event_loop()) as loop:
        site = routes(Backend(loop))
    served = {route.path_format: route.methods for route in site.routes if isinstance(route, Route)}
    described = OPENAPI["paths"]
    assert served.keys() == described.keys()
    for path, methods in served.items():
        assert {method.upper() for method in described[path]} == (methods or set()) - {"HEAD"}


def test_targets_are_as_described(running: str) -> None:
    for name in ("good", "bad"):
        assert httpx.get(f"{running}/probe?target={name}", trust_env=False).status_code == 200
    targets = httpx.get(f"{running}/api/v1/targets", trust_env=False).json()["targets"]
    strict = deepcopy(OPENAPI["components"]["schemas"]["Target"])
    strict["additionalProperties"] = False
    strict["properties"]["last"]["additionalProperties"] = False
    for target in targets:
        jsonschema.validate(target, strict)
    last = {target["target"]: target["last"] for target in targets}
    assert last["good"]["success"]
    assert last["bad"]["failure"]["reason"] == FailureReason.NOT_FOUND
    assert last["unasked"] is None
    states = {target["target"]: target["state"] for target in targets}
    assert states == {"good": "ok", "bad": "failing", "unasked": "pending"}
    assert last["bad"]["failure"].keys() == Failure.__dataclass_fields__.keys() - {
        "retry_after_seconds"
    }


def test_the_description_is_served(running: str) -> None:
    assert httpx.get(f"{running}/api/v1/openapi.json", trust_env=False).json() == OPENAPI


@pytest.mark.api
@pytest.mark.timeout(300)
def test_schemathesis_finds_nothing(running: str, tmp_path: Path) -> None:
    told = subprocess.run(
        [
            os.environ["SCHEMATHESIS"],
            "run",
            f"{running}/api/v1/openapi.json",
            "--max-examples=20",
            "--max-time=40",
            "--checks=all",
            # A made-up name matches no target, and a made-up header is ignored.
            "--exclude-checks=positive_data_acceptance,negative_data_rejection,missing_required_header",
            "--warnings=off",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "NO_COLOR": "1"},
        timeout=150,
        check=False,
    )
    assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-1000:]
