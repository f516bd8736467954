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
from exporter.process import loop
from exporter.process.log_thread import UnheardLog, logs_in_thread
from exporter.settings.explain import explain
from exporter.settings.mistakes import ConfigError
from exporter.site.server import ListenError, WebError

_Command = TypeVar("_Command", bound=Callable[..., Any])


def serve(main: Coroutine[Any, Any, None], address_set_by: str) -> NoReturn:
    """Run an exporter until it ends, and exit. If it can't start, print the reason and exit with
    code 1.

    :param address_set_by: the setting or option with the address.
    """
    try:
        loop.run(_to_the_end(main))
    except ListenError as error:
        fail(f"{error}; choose another address with {address_set_by}")
    except (ConfigError, WebError) as error:
        fail(error)


async def _to_the_end(main: Coroutine[Any, Any, None]) -> NoReturn:
    with suppress(UnheardLog), logs_in_thread():
        await main
    _leave()  # a closed loop handles no signals, so that another SIGTERM would end in failure


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
