"""Ends a failed command: the reason on standard error, exit code 1."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from exporter.settings.redaction import redact


def fail(error: Exception | str) -> NoReturn:
    """Say what is wrong, and exit."""
    click.echo(redact(str(error)), err=True)
    sys.exit(1)
