"""The recording rules, checked by promtool and against the exporter's own metrics."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.metrics.exporter_families import EXPORTER_FAMILIES
from exporter.metrics.target_families import TARGET_FAMILIES

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = FOLDER / "recording-rules.yml"


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "--lint=all", "--lint-fatal", RULES),
        ("test", "rules", FOLDER / "tests" / "recording_test.yml"),
    ],
    ids=["check", "test"],
)
def test_promtool_agrees(tool: Callable[[str], Path], arguments: tuple[str | Path, ...]) -> None:
    ran = subprocess.run(
        [tool("promtool"), *arguments], capture_output=True, text=True, timeout=150, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_rules_read_only_what_is_exported_or_recorded() -> None:
    text = RULES.read_text()
    recorded = set(re.findall(r"record: (\S+)", text))
    expressions = re.sub(r"#.*|record: \S+", "", text)
    read = set(re.findall(r"\b(?:[a-z]+:)?inference_\w+(?::\w+)?", expressions))
    exported = {family.name for family in (*TARGET_FAMILIES, *EXPORTER_FAMILIES)}
    assert read - {name for name in read if ":" in name} <= exported
    assert {name for name in read if ":" in name} <= recorded
    assert "inference_slo_good_probes_total" in read
