"""The command ``check-config``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from exporter.commands.check_report import report
from exporter.commands.check_warnings import warnings
from exporter.commands.configured import CONFIG
from exporter.commands.failing import fail
from exporter.config.loading import config_file
from exporter.settings.mistakes import ConfigError
from exporter.settings.presentable import printable


@click.command("check-config")
@click.argument("path", metavar="FILE", type=CONFIG)
@click.option("--strict", is_flag=True, help="Exit with 1 if there are warnings.")
def check_config(path: Path, strict: bool) -> None:
    """Validate a configuration, and estimate its spend.

    Prints each target with its probes, tokens, and cost per day.
    """
    try:
        config, of_file = config_file.checked(path)
    except ConfigError as error:
        fail(error)
    for warning in of_file:
        click.echo(printable(f"warning: {warning}"))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    click.echo(report(config, width), nl=False)
    if strict and (of_file or warnings(config)):
        sys.exit(1)
