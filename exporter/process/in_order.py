"""Runs blocking calls beside the loop, one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class InOrder:
    """Runs calls in one thread, in order: a slow save of a file can't end after a newer one."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """Run a call after all earlier ones. Cancelling this doesn't stop one that has begun."""
        return await asyncio.wrap_future(self._thread.submit(work))

    def finish(self, work: Callable[[], T]) -> T:
        """Run a call after all earlier ones, and wait for it without a loop."""
        return self._thread.submit(work).result()
