"""A known vulnerability fails the audit. An unreachable database isn't treated as a clean
result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

AUDIT = Path(__file__).parents[2] / "tools" / "audit.py"
CLEAN = {"name": "h11", "version": "0.16.0", "vulns": []}
BAD = {**CLEAN, "version": "0.15.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["0.16.0"]}]}
UNKNOWN = {"name": "h11", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("answer", "required", "status", "told"),
    [
        ([CLEAN], "1", 0, "None of 1 packages has a known vulnerability."),
        ([CLEAN, BAD], "0", 1, "h11 0.15.0: PYSEC-1, fixed in 0.16.0"),
        ([BAD, UNKNOWN], "0", 1, "PYSEC-1"),
        ([CLEAN, UNKNOWN], "0", 0, "the database answered for 1 of 2 packages"),
        ([CLEAN, UNKNOWN], "1", 1, "the database answered for 1 of 2 packages"),
        (None, "0", 0, "the database answered for 0 of 0 packages"),
        (None, "1", 1, "no route to the database"),
    ],
)
def test_what_the_database_says_decides(
    answer: list[dict[str, Any]] | None, required: str, status: int, told: str, tmp_path: Path
) -> None:
    pip_audit = tmp_path / "pip-audit"
    says = "" if answer is None else json.dumps({"dependencies": answer})
    pip_audit.write_text(f"#!/bin/sh\necho '{says}'\necho no route to the database >&2\n")
    pip_audit.chmod(0o755)
    run = subprocess.run(
        [sys.executable, AUDIT, pip_audit, "requirements.txt"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "REQUIRE_AUDIT": required},
    )
    assert run.returncode == status
    assert told in run.stdout + run.stderr
