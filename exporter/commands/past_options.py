"""Options of commands that read past probes from a Prometheus server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from exporter.commands.durations import duration

NEEDS = {"since_seconds": ("prometheus",), "prometheus_token_env": ("prometheus",)}
"""By option, the options of which it needs one to have an effect."""

Command = TypeVar("Command", bound=Callable[..., object])


def prometheus_token_env(command: Command) -> Command:
    """The option ``--prometheus-token-env``."""
    return click.option(
        "--prometheus-token-env", metavar="NAME", help="Environment variable with a bearer token."
    )(command)


def since(help: str | None = None) -> Callable[[Command], Command]:
    """The option ``--since``, as the parameter ``since_seconds``."""
    return click.option(
        "--since",
        "since_seconds",
        type=duration,
        metavar="DURATION",
        default="7d",
        show_default=True,
        help=help,
    )
