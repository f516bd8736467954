"""The alerts in their other formats are complete, and use only what those formats support."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

from dashboards import rules as build
from exporter.config.web import RUNBOOK_URL
from tests.queries import ROOT, rules

FILE = ROOT / "deploy" / "grafana" / "inference-alerts.yaml"
MANAGED: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]
]
SEVERITY = {rule["title"]: rule["labels"]["severity"] for rule in MANAGED}


def expression(rule: dict[str, Any]) -> str:
    return str(rule["data"][0]["model"]["expr"])


def test_grafana_has_every_alert_once() -> None:
    alerts = [rule["alert"] for _, rule in rules() if "alert" in rule]
    assert [rule["title"] for rule in MANAGED] == alerts
    assert len({rule["uid"] for rule in MANAGED}) == len(alerts)


@pytest.mark.parametrize("rule", MANAGED, ids=lambda rule: rule["title"])
def test_grafana_understands_each(rule: dict[str, Any]) -> None:
    promql.parse(expression(rule))
    assert "ALERTS" not in expression(rule)
    texts = " ".join(rule["annotations"].values())
    assert "query" not in texts
    assert texts.count("{{") == texts.count("}}")
    opened = len(re.findall(r"\{\{-? ?(?:if|with|range)\b", texts))
    assert opened == len(re.findall(r"\{\{-? ?end\b", texts))
    assert not re.search(r"\$value\b", texts)
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_a_target_that_is_down_silences_what_follows_and_no_ticket_silences_a_page() -> None:
    down = "max_over_time(inference_last_probe_success[150s]) == 0"
    for rule in MANAGED:
        if rule["title"] in {"InferenceErrorsHigh", "InferenceErrorBudgetBurnsFast"}:
            assert down in expression(rule)
    (fast,) = [rule for rule in MANAGED if rule["title"] == "InferenceErrorBudgetBurnsFast"]
    assert SEVERITY["InferenceThrottled"] == "warning"
    assert "rate_limited" not in expression(fast)


def test_the_rules_are_built_with_addresses_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["rules", "--out", str(tmp_path), "--runbook-url", "https://wiki.example/rb/"]
    monkeypatch.setattr(sys, "argv", [*command, "--dashboard-url", "https://grafana.example"])
    build.main()
    for name in ("alerts.yml", "prometheusrule.yaml", "inference-alerts.yaml"):
        text = (tmp_path / name).read_text()
        assert "https://wiki.example/rb/InferenceTargetDown.md" in text
        assert "https://grafana.example/d/inference-target?" in text
        assert RUNBOOK_URL not in text
        assert build.DASHBOARD_URL not in text


def test_the_rules_are_built_without_the_builders_of_dashboards(tmp_path: Path) -> None:
    """Users of the exporter don't have what only its developers need."""
    code = (
        "import runpy, sys; sys.modules['grafana_foundation_sdk'] = None;"
        "runpy.run_module('dashboards.rules', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--out", tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "prometheusrule.yaml").is_file()
