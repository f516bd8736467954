"""Handles signals while the process starts.

Importing modules and loading the configuration take a second, or forever if a disk doesn't
respond. Until then, the default action of a signal would apply: it ends the process as if it had
failed, or does nothing at all if the process is the first one of a container.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | None

_ENDING = (signal.SIGINT, signal.SIGTERM)
_HELD = (signal.SIGHUP, *_ENDING)

_came: set[int] = set()
_usual: dict[int, Handler] = {}


def hold() -> None:
    """Only record SIGHUP, SIGINT and SIGTERM from now on, until the command is known."""
    for number in _HELD:
        _usual[number] = signal.signal(number, _note)


def let_go() -> None:
    """Restore the previous handlers, and raise recorded signals again."""
    for number, usual in _usual.items():
        if signal.getsignal(number) is _note:
            signal.signal(number, usual)
            if number in _came:
                signal.raise_signal(number)


def end_at_once() -> None:
    """Exit with code 0 on SIGINT or SIGTERM from now on, or now if one was recorded.

    For the time before anything runs that needs a graceful stop.
    """
    for number in _ENDING:
        signal.signal(number, _end)
    if not _came.isdisjoint(_ENDING):
        _end()


def take_hangup() -> bool:
    """Whether SIGHUP was recorded. The caller handles it from here on, so the record is cleared."""
    came = signal.SIGHUP in _came
    _came.discard(signal.SIGHUP)
    return came


def _note(number: int, _frame: FrameType | None) -> None:
    _came.add(number)


def _end(*_: object) -> None:
    os._exit(0)
