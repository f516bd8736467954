"""Ends a failed command: the reason on standard error, exit code 1."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import click

from exporter.settings.presentable import printable
from exporter.settings.redaction import redact

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def fail(error: Exception | str) -> NoReturn:
    """Print the error, redacted and without control characters, and exit."""
    for line in redact(str(error)).split("\n"):
        click.echo(printable(line), err=True)
    sys.exit(1)


@contextmanager
def output_on_full_disk() -> Iterator[None]:
    """Fail with a message if the disk that the output goes to is full. Errors of other files are
    handled where they occur."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        # Python writes again what is still in the buffer when it exits, and would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        with suppress(OSError):
            fail(f"the output cannot be written: {error.strerror}")
        sys.exit(1)
