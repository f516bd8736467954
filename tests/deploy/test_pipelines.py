"""The examples for CI servers use existing commands and options, and their texts are correct."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from exporter.cli import main
from exporter.config.slo import Objective, Tally

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "deploy" / "pipelines").glob("*.yml"))
PAGE = (ROOT / "docs" / "pipelines.md").read_text()


def commands(value: object) -> Iterator[str]:
    """Yield every command line of ours, at any depth."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from commands(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from commands(inner)
    elif isinstance(value, str) and value.startswith("inference-exporter "):
        yield value


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_commands_that_there_are(path: Path) -> None:
    lines = [*commands(yaml.safe_load(path.read_text()))]
    assert [line.split()[1] for line in lines] == ["check-config", "probe"]
    for line in lines:
        name, *arguments = shlex.split(line)[1:]
        command = main.commands[name]
        command.make_context(name, arguments, parent=click.Context(main))


def test_the_page_says_how_many_probes_it_takes() -> None:
    rows = re.findall(r"^\| ([\d.]+) % \| ([\d,]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for share, probes in rows:
        objective = Objective("success", float(share) / 100)
        assert Tally(objective).enough == int(probes.replace(",", ""))
