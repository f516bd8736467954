"""Background tasks, one for each item of a changing set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key")
Errand = TypeVar("Errand")


class Errands(Generic[Key, Errand]):
    """Runs one task for each errand, until that errand changes or is removed."""

    def __init__(self, carry_out: Callable[[Errand], Coroutine[None, None, None]]) -> None:
        self._carry_out = carry_out
        self._under_way: dict[Key, tuple[Errand, asyncio.Task[None]]] = {}

    @property
    def under_way(self) -> dict[Key, Errand]:
        """The errands whose tasks run now."""
        return {key: errand for key, (errand, _) in self._under_way.items()}

    def apply(self, wanted: Mapping[Key, Errand]) -> None:
        """Run tasks for exactly these errands. Tasks of unchanged errands continue."""
        for key in [k for k, errand in self.under_way.items() if wanted.get(k) != errand]:
            self._under_way.pop(key)[1].cancel()
        for key, errand in wanted.items():
            if key not in self._under_way:
                task = asyncio.create_task(self._carry_out(errand))
                self._under_way[key] = errand, task

    def stop(self) -> None:
        """Cancel all tasks."""
        self.apply({})
