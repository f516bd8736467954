"""The documentation and the code say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.families import PROBE_FAMILIES, SELF_FAMILIES, Family
from exporter.result import FailureReason

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("family", [*PROBE_FAMILIES, *SELF_FAMILIES], ids=lambda f: f.name)
def test_every_metric_is_documented_as_it_is_declared(family: Family) -> None:
    row = f"| `{family.name}` | {family.kind} | {', '.join(family.labels)} | {family.help} |"
    assert row in (DOCS / "metrics.md").read_text().splitlines()


@pytest.mark.parametrize("reason", FailureReason)
def test_every_failure_reason_is_explained(reason: FailureReason) -> None:
    assert f"`{reason}`" in (DOCS / "measurement.md").read_text()
