"""Work that may never come back, such as reading a file of a network that does not answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_under_way: dict[Hashable, Future[Any]] = {}


class Unanswered(Exception):
    """The work has not come back in time."""


async def beside(key: Hashable, work: Callable[[], T], patience_seconds: float) -> T:
    """What ``work`` returns or raises. A thread of its own does it, for which the end of the
    process does not wait; while it is held up, everybody with the same key waits for that one.

    :raises Unanswered: it has not come back so long.
    """
    doing: Future[T] = _under_way.get(key) or _begin(key, work)
    try:
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(doing)), patience_seconds)
    except TimeoutError:
        raise Unanswered from None


def _begin(key: Hashable, work: Callable[[], T]) -> Future[T]:
    doing = _under_way[key] = Future[T]()
    thread = threading.Thread(target=_do, args=(key, work, doing), name="beside", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # there are no more threads
        _do(key, work, doing)
    return doing


def _do(key: Hashable, work: Callable[[], T], doing: Future[T]) -> None:
    try:
        done = work()
    except Exception as error:  # noqa: BLE001  whoever waits gets it
        _under_way.pop(key, None)
        doing.set_exception(error)
    else:
        _under_way.pop(key, None)
        doing.set_result(done)
