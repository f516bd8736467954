"""Keeps Python's garbage collector from delaying the streams.

A full collection visits every object. With 1,000 targets that takes a quarter of a second, during
which nothing is read and no probe starts. Nearly all of these objects live as long as the
configuration. After ``gc.freeze``, a collection visits only the objects of running probes.

A probe leaves no cycles behind, so there is hardly anything to collect. But Python collects after
700 allocations that weren't deallocated yet (2,000 since Python 3.13). The probes of 1,000 targets
allocate that many ten times a second, for a while. Those collections held the loop for up to 30 ms,
and took 6 % of a probe's processor time. So the threshold grows with the number of plans. Garbage
that does accumulate is still freed.
"""

from __future__ import annotations

import asyncio
import gc

_SETTLED_SECONDS = 60.0
"""By then, most targets have been probed and scraped, and their long-lived objects exist."""
_LEAST_ALLOCATIONS = gc.get_threshold()[0]
"""Python's own threshold."""
_ALLOCATIONS_PER_PLAN = 50
"""The running probes of all plans have fewer objects than this, on average over the plans."""


class Heap:
    """Freezes long-lived objects: after a change of the configuration, and again once the objects
    that follow from it exist. In between, nothing is collected."""

    def __init__(self) -> None:
        self._again: asyncio.TimerHandle | None = None

    def changed(self, plans: int) -> None:
        """The configuration has changed: many objects are new, and many are garbage.

        :param plans: how many plans are active now.
        """
        if self._again:
            self._again.cancel()
            gc.unfreeze()  # objects of the previous configuration might be garbage now
        freeze()
        gc.disable()
        collect_rarely(plans)
        self._again = asyncio.get_running_loop().call_later(_SETTLED_SECONDS, _settle)

    def stop(self) -> None:
        """Cancel the second freeze."""
        gc.enable()
        if self._again:
            self._again.cancel()


def _settle() -> None:
    gc.freeze()  # without a collection before, because probes are running
    gc.enable()


def freeze() -> None:
    """Free all garbage, and exclude all objects that exist now from garbage collection."""
    gc.collect()
    gc.freeze()


def collect_rarely(plans: int) -> None:
    """Start no collection for what the running probes of so many plans allocate."""
    gc.set_threshold(max(_LEAST_ALLOCATIONS, plans * _ALLOCATIONS_PER_PLAN))
