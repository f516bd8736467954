"""The command ``check-config``."""

from __future__ import annotations

from pathlib import Path

import click

from exporter.commands.check_report import report
from exporter.commands.configured import CONFIG, load


@click.command("check-config")
@click.argument("path", metavar="FILE", type=CONFIG)
def check_config(path: Path) -> None:
    """Validate a configuration; print its targets, probes per day and estimated spend."""
    click.echo(report(load(path)), nl=False)
