"""promtool accepts the rules. Each alert fires when it must, and only then."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.queries import RULE_FILES, RULES, rules

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


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_must_and_stay_silent_when_they_must(
    tool: Callable[[str], Path], path: Path
) -> None:
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
