"""SIGHUP while the process starts: importing and loading take a second, in which the signal's own
meaning, to end the process, would hold."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | None

_SIGNAL = signal.SIGHUP

_came = False
_usual: Handler = None


def hold() -> None:
    """From now on SIGHUP is only noted."""
    global _usual  # noqa: PLW0603  the process has one handler
    _usual = signal.signal(_SIGNAL, _note)


def take() -> bool:
    """Whether SIGHUP came since it is held; asked once, by who handles it from here on."""
    global _came
    came, _came = _came, False
    return came


def let_go() -> None:
    """Let SIGHUP do what it does to any process, at once if it came already."""
    if signal.getsignal(_SIGNAL) is _note:
        signal.signal(_SIGNAL, _usual)
        if take():
            signal.raise_signal(_SIGNAL)


def _note(_number: int, _frame: FrameType | None) -> None:
    global _came  # noqa: PLW0603
    _came = True
