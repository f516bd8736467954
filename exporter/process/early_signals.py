"""Signals while the process starts: importing and loading take a second or, from a disk that does
not answer, forever. In that time a signal's own meaning would hold, which is to end the process as
if it had failed, and for the first process of a container to do nothing at all."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | None

_HELD = (signal.SIGHUP, signal.SIGTERM)

_came: set[int] = set()
_usual: dict[int, Handler] = {}


def hold() -> None:
    """From now on SIGHUP and SIGTERM are only noted: nobody knows yet what the command is."""
    for number in _HELD:
        _usual[number] = signal.signal(number, _note)


def let_go() -> None:
    """Let them do what they do to any process, at once if they came already."""
    for number, usual in _usual.items():
        if signal.getsignal(number) is _note:
            signal.signal(number, usual)
            if number in _came:
                signal.raise_signal(number)


def end_at_once() -> None:
    """SIGTERM ends the process in good order from now on, and now if it came already: there is
    nothing yet, or nothing any more, that would have to be ended first."""
    signal.signal(signal.SIGTERM, _end)
    if signal.SIGTERM in _came:
        _end()


def take_hangup() -> bool:
    """Whether SIGHUP came since it is held; asked once, by who handles it from here on."""
    came = signal.SIGHUP in _came
    _came.discard(signal.SIGHUP)
    return came


def _note(number: int, _frame: FrameType | None) -> None:
    _came.add(number)


def _end(*_: object) -> None:
    os._exit(0)
