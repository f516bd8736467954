"""Limits on file descriptors: for the process, for probes, and for the exporter's HTTP server.

A process without free descriptors fails everywhere at once, and its errors look like those of an
unreachable provider. So probes and the HTTP server each get a share that leaves enough for files,
DNS lookups, and everything else that the process opens.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource

_WANTED = 1 << 16
"""More than any number of targets needs."""
_OWN = 24
"""For files, the event loops, and DNS lookups."""
_LEAST_FOR_SERVER = 4
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE})


def raise_limit() -> int:
    """Raise the soft limit as far as the hard limit allows, and return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # macOS has another limit, and hides it
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return limit()


def limit() -> int:
    """The number of descriptors that the process can open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _WANTED if soft == resource.RLIM_INFINITY else min(soft, _WANTED)


def for_server(wanted: int) -> int:
    """The connection limit of the exporter's HTTP server.

    :param wanted: the configured limit, which applies up to a quarter of the descriptors.
    """
    return max(_LEAST_FOR_SERVER, min(wanted, (limit() - _OWN) // 4))


def for_probes(server_wants: int) -> int:
    """The socket limit of probes.

    :param server_wants: the configured connection limit of the HTTP server.
    """
    return max(1, limit() - _OWN - for_server(server_wants))


def is_shortage(error: OSError) -> bool:
    """Whether an operation failed because no descriptor was free."""
    # After several addresses failed, asyncio raises one error without errno that joins their texts.
    return error.errno in _SHORTAGES or "Too many open files" in str(error)


def are_used_up() -> bool:
    """Whether no descriptor is free.

    A DNS lookup that gets none fails with "no such name", so the error alone doesn't show it.
    """
    try:
        os.close(os.dup(2))
    except OSError as error:
        return is_shortage(error)
    return False
