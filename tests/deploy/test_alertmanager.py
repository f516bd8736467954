"""Alertmanager's own tool accepts the example configuration and finds its receivers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.queries import RULES

CONFIG = RULES / "alertmanager.yml"


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_amtool_accepts_the_configuration(tool: Callable[[str], Path]) -> None:
    said = run(tool("amtool"), "check-config", CONFIG)
    assert "3 receivers" in said


@pytest.mark.parametrize(
    ("severity", "receiver"), [("critical", "pager"), ("warning", "tickets"), ("info", "channel")]
)
def test_each_severity_has_its_receiver(
    severity: str, receiver: str, tool: Callable[[str], Path]
) -> None:
    routes: list[str | Path] = [tool("amtool"), "config", "routes", "test"]
    said = run(*routes, f"--config.file={CONFIG}", f"severity={severity}", "target=openai-mini")
    assert said.split() == [receiver]


def test_a_message_says_where_and_what_next_whatever_is_in_its_group(
    tool: Callable[[str], Path], tmp_path: Path
) -> None:
    """Two probes of a target fail. Another team, and another place, have a target of that name."""
    where = {"target": "vllm", "namespace": "search", "location": "eu-west-1"}
    alerts = [
        {
            "status": "firing",
            "labels": {**where, "probe": probe},
            "annotations": {
                name: f"{name} of {probe}"
                for name in ("summary", "description", "dashboard_url", "runbook_url")
            },
        }
        for probe in ("short", "long")
    ]
    data, no_templates = tmp_path / "data.json", tmp_path / "none.tmpl"
    group = {"status": "firing", "alerts": alerts, "commonLabels": where, "commonAnnotations": {}}
    data.write_text(json.dumps(group))
    no_templates.touch()

    def said(template: str) -> str:
        render: list[str | Path] = [tool("amtool"), "template", "render", f"--template.data={data}"]
        return run(*render, f"--template.glob={no_templates}", f"--template.text={template}")

    receivers = {each["name"]: each for each in yaml.safe_load(CONFIG.read_text())["receivers"]}
    slack, mail = (receivers["tickets"][f"{kind}_configs"][0] for kind in ("slack", "email"))
    pager = receivers["pager"]["pagerduty_configs"][0]
    for title in (pager["description"], slack["title"], mail["headers"]["Subject"]):
        assert " [namespace search] [location eu-west-1]" in said(title)
    assert said(pager["details"]["next"]).startswith("description of short")
    runbook, dashboard = pager["links"]
    assert said(runbook["href"]) == "runbook_url of short"
    for link in (pager["client_url"], dashboard["href"], slack["title_link"]):
        assert said(link) == "dashboard_url of short"
