"""File descriptors: how many the process may have, and who may have how many of them.

What runs out of descriptors fails everywhere at once, and looks like a provider that cannot be
reached. So the sockets of probes and of the exporter's own door each have a share that leaves
enough for files, name servers and whatever else the process opens.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource

_WANTED = 1 << 16
"""More than any number of targets needs."""
_OWN = 24
"""For files, the event loops, name servers."""
_FEWEST_AT_THE_DOOR = 4
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE})


def raise_limit() -> int:
    """Raise the soft limit as far as the hard one lets it; how many descriptors there may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # macOS has a limit that it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return limit()


def limit() -> int:
    """How many descriptors there may be."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _WANTED if soft == resource.RLIM_INFINITY else min(soft, _WANTED)


def for_the_door(wanted: int) -> int:
    """How many connections the exporter's own server may have: as many as it is to have, but no
    more than a quarter of the descriptors."""
    return max(_FEWEST_AT_THE_DOOR, min(wanted, (limit() - _OWN) // 4))


def for_probes(door: int) -> int:
    """How many sockets probes may have, if the server wants so many connections."""
    return max(1, limit() - _OWN - for_the_door(door))


def is_shortage(error: OSError) -> bool:
    """Whether an operation failed for want of a descriptor."""
    # Where several addresses were tried, asyncio has made one text of all that went wrong.
    return error.errno in _SHORTAGES or "Too many open files" in str(error)


def are_used_up() -> bool:
    """Whether there is no descriptor left. A name server that cannot be asked for want of one is
    told as a name that does not exist."""
    try:
        os.close(os.dup(2))
    except OSError as error:
        return is_shortage(error)
    return False
