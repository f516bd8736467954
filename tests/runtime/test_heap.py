"""Long-lived objects are excluded from garbage collection, but not forever."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from exporter.process.heap import Heap


class Cycle:
    """A cycle that only the garbage collector can free."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_lives_long_is_not_looked_at_again() -> None:
    async def main() -> None:
        kept = Cycle()
        heap = Heap()
        heap.changed()
        heap.stop()
        assert not any(found is kept for found in gc.get_objects())

    asyncio.run(main())


def test_what_was_set_aside_is_freed_after_the_next_change() -> None:
    async def main() -> None:
        heap, cycle = Heap(), Cycle()
        gone = weakref.ref(cycle)
        heap.changed()
        del cycle
        gc.collect()
        assert gone() is not None
        heap.changed()
        heap.stop()
        assert gone() is None

    asyncio.run(main())
