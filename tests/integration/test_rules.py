"""promtool accepts the rules. Each alert fires when it must, and only then."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.queries import RULE_FILES, RULES, rules, runbook_queries

pytestmark = pytest.mark.slow

TESTS = sorted((RULES / "tests").glob("*_test.yml"))


def test_promtool_accepts_every_rule_file(tool: Callable[[str], Path]) -> None:
    command: list[str | Path] = [
        tool("promtool"),
        "check",
        "rules",
        "--lint=all",
        "--lint-fatal",
        *RULE_FILES,
    ]
    check = subprocess.run(command, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout + check.stderr


@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_must_and_stay_silent_when_they_must(
    tool: Callable[[str], Path], path: Path
) -> None:
    command: list[str | Path] = [tool("promtool"), "test", "rules", path]
    check = subprocess.run(command, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout + check.stderr


def test_the_runbook_tells_regions_apart_where_several_locations_probe(
    tool: Callable[[str], Path], tmp_path: Path
) -> None:
    (query,) = (query for query in runbook_queries() if "group_left (region)" in query.expression)
    series: list[str] = []
    results: list[dict[str, object]] = []
    for place in ("eu", "us"):
        labels = f'job="j", instance="{place}", location="{place}", target="t", probe="p"'
        slow = f'{labels}, measure="time_to_first_token"'
        info = f'{labels}, region="region-of-{place}"'
        series.append(f"target:inference_latency:deviation_15m{{{slow}}}")
        series.append(f"inference_target_info{{{info}}}")
        results.append({"labels": f'{{{slow}, region="region-of-{place}"}}', "value": 1})
    asked = {"expr": query.expression, "eval_time": "1m", "exp_samples": results}
    values = [
        {"series": name, "values": "0x2" if name.startswith("target:") else "1x2"}
        for name in series
    ]
    case = {"interval": "1m", "input_series": values, "promql_expr_test": [asked]}
    path = tmp_path / "regions_test.yml"
    path.write_text(yaml.safe_dump({"tests": [case]}))
    command: list[str | Path] = [tool("promtool"), "test", "rules", path]
    check = subprocess.run(command, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout + check.stderr


def test_every_alert_is_tested_both_ways() -> None:
    fires: set[str] = set()
    silent: set[str] = set()
    for path in TESTS:
        for group in yaml.safe_load(path.read_text())["tests"]:
            for case in group.get("alert_rule_test", ()):
                (fires if case.get("exp_alerts") else silent).add(case["alertname"])
                # an alert for one series of the group means silence for the others
                targets = set(re.findall(r'target="(\w+)"', str(group["input_series"])))
                if len(targets) > len(case.get("exp_alerts", ())) > 0:
                    silent.add(case["alertname"])
    alerts = {rule["alert"] for _, rule in rules() if "alert" in rule}
    assert alerts == fires
    assert alerts <= silent
