"""Distributes targets over several exporters.

Rendezvous hashing (Thaler and Ravishankar, 1998): each target belongs to the shard with the
highest hash for it. Every exporter computes this independently. An additional shard takes only its
own share of the targets, and no other target moves.
"""

from __future__ import annotations

import hashlib
import re
import socket
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several exporters that share a configuration."""

    index: int = 0
    """From 0."""
    count: int = 1

    @classmethod
    def parse(cls, text: str, host_name: str | None = None) -> Self:
        """``0/3`` is the first of three shards. ``auto/3`` takes the number at the end of the host
        name, which is the pod's ordinal in a Kubernetes StatefulSet.

        :raises ValueError: the text has another format, or the index is too large.
        """
        match = re.fullmatch(r"(\d{1,4}|auto)/(\d{1,4})", text)
        if not match:
            raise ValueError(f"{text!r} is not INDEX/COUNT, such as 0/3, or auto/COUNT")
        index = _ordinal(host_name or socket.gethostname()) if match[1] == "auto" else int(match[1])
        count = int(match[2])
        if index >= count:
            raise ValueError(f"there is no shard {index} of {count}; they count from 0")
        return cls(index, count)

    def owns(self, key: str) -> bool:
        """Whether the target with this key belongs to this shard."""
        return self.count == 1 or owner(key, self.count) == self.index

    def own(self, name: str) -> str:
        """The name of something that each shard has its own of: with the index at the end."""
        return name if self.count == 1 else f"{name}-{self.index}"


def owner(key: str, shards: int) -> int:
    """The index of the shard that a key belongs to."""
    return max(range(shards), key=lambda shard: _weight(shard, key))


def _weight(shard: int, key: str) -> bytes:
    return hashlib.blake2b(f"{shard}\0{key}".encode(), digest_size=8).digest()


def _ordinal(host_name: str) -> int:
    match = re.fullmatch(r"[^.]*-(\d+)(\..*)?", host_name)
    if not match:
        raise ValueError(
            f"the host name {host_name!r} does not end with a number, as a StatefulSet's pods do;"
            " write the index in place of auto"
        )
    return int(match[1])
