"""Background tasks, one for each item of a changing set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")


class TaskSet(Generic[Key, Item]):
    """Runs one task for each item, until that item changes or is removed."""

    def __init__(self, carry_out: Callable[[Item], Coroutine[None, None, None]]) -> None:
        self._carry_out = carry_out
        self._under_way: dict[Key, tuple[Item, asyncio.Task[None]]] = {}

    @property
    def under_way(self) -> dict[Key, Item]:
        """The items whose tasks run now."""
        return {key: item for key, (item, _) in self._under_way.items()}

    def apply(self, wanted: Mapping[Key, Item]) -> None:
        """Run tasks for exactly these items. Tasks of unchanged items continue."""
        for key in [k for k, item in self.under_way.items() if wanted.get(k) != item]:
            self._under_way.pop(key)[1].cancel()
        for key, item in wanted.items():
            if key not in self._under_way:
                task = asyncio.create_task(self._carry_out(item))
                self._under_way[key] = item, task

    def stop(self) -> None:
        """Cancel all tasks."""
        self.apply({})
