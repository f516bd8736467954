"""Ends a failed command: the reason on standard error, exit code 1."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from exporter.settings.redaction import redact


def fail(error: Exception | str) -> NoReturn:
    """Print the error, redacted, and exit."""
    click.echo(redact(str(error)), err=True)
    sys.exit(1)
