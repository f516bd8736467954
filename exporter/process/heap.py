"""Keeps Python's garbage collector away from the streams.

A full collection looks at every object there is. With 1,000 targets that takes a quarter of a
second, in which nothing is read and no probe is started. Nearly all of these objects live as long
as the configuration does; once they are set aside, a collection has only the probes under way to
look at.
"""

from __future__ import annotations

import asyncio
import gc

_SETTLED_SECONDS = 60.0
"""By then most targets were probed and their series scraped, and what that keeps exists."""


class Heap:
    """What lives long is set aside: once at a change of the configuration, and once more when
    all that it brings has been made."""

    def __init__(self) -> None:
        self._again: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        """Much was made, and much let go of."""
        if self._again:
            self._again.cancel()
            gc.unfreeze()  # what was set aside for the configuration before may be garbage by now
        _set_aside()
        self._again = asyncio.get_running_loop().call_later(_SETTLED_SECONDS, _set_aside)

    def stop(self) -> None:
        """Leave everything as it is from now on."""
        if self._again:
            self._again.cancel()


def _set_aside() -> None:
    gc.collect()
    gc.freeze()
