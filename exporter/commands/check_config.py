"""The command ``check-config``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from exporter.commands.check_report import report
from exporter.commands.check_warnings import warnings
from exporter.commands.configured import CONFIG, load
from exporter.config.loading import config_file


@click.command("check-config")
@click.argument("path", metavar="FILE", type=CONFIG)
@click.option("--strict", is_flag=True, help="Exit with 1 if there are warnings.")
def check_config(path: Path, strict: bool) -> None:
    """Validate a configuration, and estimate its spend.

    Prints each target with its probes, tokens, and cost per day.
    """
    config = load(path)
    outdated = [f"warning: {mistake}" for mistake in config_file.warnings(path)]
    for warning in outdated:
        click.echo(warning)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    click.echo(report(config, width), nl=False)
    if strict and (outdated or warnings(config)):
        sys.exit(1)
