"""Long-lived objects are excluded from garbage collection, but not forever."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from exporter.process import heap as heap_module
from exporter.process.heap import Heap


class Cycle:
    """A cycle that only the garbage collector can free."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.enable()
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_lives_long_is_not_looked_at_again() -> None:
    async def main() -> None:
        kept = Cycle()
        heap = Heap()
        heap.changed(plans=1)
        heap.stop()
        assert not any(found is kept for found in gc.get_objects())

    asyncio.run(main())


def test_what_was_set_aside_is_freed_after_the_next_change() -> None:
    async def main() -> None:
        heap, cycle = Heap(), Cycle()
        gone = weakref.ref(cycle)
        heap.changed(plans=1)
        del cycle
        gc.collect()
        assert gone() is not None
        heap.changed(plans=1)
        heap.stop()
        assert gone() is None

    asyncio.run(main())


def test_nothing_is_collected_until_the_objects_of_a_new_configuration_exist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heap_module, "_SETTLED_SECONDS", 0.01)

    async def main() -> None:
        heap = Heap()
        heap.changed(plans=1)
        assert not gc.isenabled()
        made = Cycle()
        for _ in range(1000):
            if gc.isenabled():
                break
            await asyncio.sleep(0.01)
        assert not any(found is made for found in gc.get_objects())
        heap.stop()

    asyncio.run(main())


@pytest.mark.parametrize("plans", [0, 1, 1000])
def test_garbage_is_collected_before_it_is_much_for_so_many_plans(plans: int) -> None:
    usual = gc.get_threshold()[0]

    async def main() -> None:
        heap = Heap()
        heap.changed(plans)
        heap.stop()
        first = weakref.ref(Cycle())
        at_most = 2 * usual + 100 * plans
        made = next((n for n in range(at_most) if first() is None or Cycle() is None), at_most)
        assert max(usual / 2, 25 * plans) < made < at_most

    asyncio.run(main())
