"""Runs work that might never return, such as reading a file from an unresponsive network share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_under_way: dict[Hashable, Future[Any]] = {}


class Unanswered(Exception):
    """The work did not finish in time."""


async def offload(key: Hashable, work: Callable[[], T], patience_seconds: float) -> T:
    """Run ``work`` in a separate thread, and return or raise what it does.

    The process can exit without waiting for that thread. While it runs, other calls with the same
    key wait for the same result, so that blocked work doesn't pile up.

    :raises Unanswered: the work did not finish within ``patience_seconds``.
    """
    doing: Future[T] = _under_way.get(key) or _begin(key, work)
    try:
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(doing)), patience_seconds)
    except TimeoutError:
        raise Unanswered from None


def _begin(key: Hashable, work: Callable[[], T]) -> Future[T]:
    doing = _under_way[key] = Future[T]()
    thread = threading.Thread(target=_do, args=(key, work, doing), name="offload", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no further thread can start
        _do(key, work, doing)
    return doing


def _do(key: Hashable, work: Callable[[], T], doing: Future[T]) -> None:
    try:
        done = work()
    except Exception as error:  # noqa: BLE001  raised again in every call that waits
        _under_way.pop(key, None)
        doing.set_exception(error)
    else:
        _under_way.pop(key, None)
        doing.set_result(done)
