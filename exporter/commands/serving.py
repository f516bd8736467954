"""Helpers for commands that run until they are stopped."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

import click
from pydantic import ValidationError

from exporter.commands.failing import fail
from exporter.config.web import Web
from exporter.process import early_signals, loop
from exporter.process.log_thread import UnheardLog, logs_in_thread
from exporter.settings.explain import explain
from exporter.settings.mistakes import ConfigError
from exporter.site.server import WebError

_Command = TypeVar("_Command", bound=Callable[..., Any])


def serve(main: Coroutine[Any, Any, None]) -> None:
    """Run an exporter until it ends. If it can't start, prints the reason and exits with code 1."""
    try:
        with logs_in_thread():
            loop.run(main)
            early_signals.end_at_once()  # the loop's own handlers ended with the loop
    except (ConfigError, WebError) as error:
        fail(error)
    except UnheardLog:
        pass
    _leave()


def _leave() -> NoReturn:
    """Exit without waiting for threads, as Python would. A thread can be blocked forever on a name
    server, a file system, or a reader of standard error."""
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(0)


def listen_option(default: str) -> Callable[[_Command], _Command]:
    """The option ``--listen``, an address and a port."""
    return click.option(
        "--listen",
        default=default,
        show_default=True,
        callback=_address,
        metavar="HOST:PORT",
        help="Address to serve on.",
    )


def _address(_context: click.Context, _option: click.Parameter, listen: str) -> str:
    try:
        return Web(listen=listen).listen
    except ValidationError as error:
        raise click.BadParameter(explain(error.errors(include_url=False)[0], Web)) from None
