"""The command line: ``inference-exporter``."""

from __future__ import annotations

import os

import click

from exporter import __version__
from exporter.commands import COMMANDS
from exporter.process import early_signals
from exporter.process.logs import configure_logging

_LEVELS = click.Choice(["debug", "info", "warning", "error"])

_SERVING = {"run", "demo"}
"""Commands that stop gracefully on SIGINT or SIGTERM, and reload their configuration on SIGHUP."""


@click.group(commands=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--log-level", type=_LEVELS, default="info", show_default=True)
@click.pass_context
def main(context: click.Context, log_level: str) -> None:
    """Monitor LLM inference continuously, for Prometheus."""
    if os.environ.get("NO_COLOR"):  # no-color.org; otherwise click checks for a terminal
        context.color = False
    configure_logging(log_level, sentences=context.invoked_subcommand == "demo")
    if context.invoked_subcommand in _SERVING:
        early_signals.end_at_once()
    else:
        early_signals.let_go()
