"""Keeps Python's garbage collector from delaying the streams.

A full collection visits every object. With 1,000 targets that takes a quarter of a second, during
which nothing is read and no probe starts. Nearly all of these objects live as long as the
configuration. After ``gc.freeze``, a collection visits only the objects of running probes.
"""

from __future__ import annotations

import asyncio
import gc

_SETTLED_SECONDS = 60.0
"""By then, most targets have been probed and scraped, and their long-lived objects exist."""


class Heap:
    """Freezes long-lived objects: after a change of the configuration, and again once the objects
    that follow from it exist."""

    def __init__(self) -> None:
        self._again: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        """The configuration has changed: many objects are new, and many are garbage."""
        if self._again:
            self._again.cancel()
            gc.unfreeze()  # objects of the previous configuration might be garbage now
        freeze()
        self._again = asyncio.get_running_loop().call_later(_SETTLED_SECONDS, freeze)

    def stop(self) -> None:
        """Cancel the second freeze."""
        if self._again:
            self._again.cancel()


def freeze() -> None:
    """Exclude all objects that exist now from garbage collection."""
    gc.collect()
    gc.freeze()
