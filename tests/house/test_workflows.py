"""The workflows are valid, and run only what you can run locally."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import find_tool

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
EXAMPLE = ROOT / "deploy" / "pipelines" / "github-actions.yml"


def test_actionlint_finds_nothing() -> None:
    linted = subprocess.run(
        [find_tool("actionlint"), *WORKFLOWS, EXAMPLE],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_workflow_runs_the_script_that_a_developer_runs(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text())["jobs"]
    commands = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    assert "bash .ci/run" in commands


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read_unless_a_job_says_more(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
