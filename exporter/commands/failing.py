"""Ends a failed command: the reason on standard error, exit code 1."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from exporter.settings.presentable import printable
from exporter.settings.redaction import redact


def fail(error: Exception | str) -> NoReturn:
    """Print the error, redacted and without control characters, and exit."""
    for line in redact(str(error)).split("\n"):
        click.echo(printable(line), err=True)
    sys.exit(1)
