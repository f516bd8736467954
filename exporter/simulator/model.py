"""The state of a simulated model between requests."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum, auto
from hashlib import sha256
from random import Random

from exporter.result import NANOSECONDS
from exporter.simulator.faults import Fault
from exporter.simulator.script import Boot, Script, Sign


class Presence(Enum):
    """Whether a server has a model in memory."""

    ABSENT = auto()
    """Requests for it fail."""
    ON_DEMAND = auto()
    """It isn't in memory, but a request waits until it is."""
    LOADED = auto()


@dataclass(slots=True)
class ModelState:
    """One model. All times are monotonic nanoseconds."""

    name: str
    boot_began_ns: int
    last_request_ns: int
    requests: int = 0
    prompts: set[bytes] = field(default_factory=set)
    """Digests of the earlier request bodies."""

    slots: dict[int, asyncio.Semaphore] = field(default_factory=dict)
    """By the number of slots."""

    def turn(self, slots: int | None) -> AbstractAsyncContextManager[object]:
        """Return a context that waits for a slot and occupies it. ``None`` means no limit."""
        if slots is None:
            return nullcontext()
        return self.slots.setdefault(slots, asyncio.Semaphore(slots))

    def remembers(self, request: bytes) -> bool:
        """Return whether the same request came before, and remember it."""
        digest = sha256(request).digest()
        asked_before = digest in self.prompts
        self.prompts.add(digest)
        return asked_before

    def asked(self, script: Script, now_ns: int) -> tuple[Random, Fault | None]:
        """Record a request. Return its random generator, and its fault, if any."""
        if self._is_unloaded(script.boot, now_ns):
            self.boot_began_ns = now_ns
        self.last_request_ns = now_ns
        self.requests += 1
        random = Random(f"{script.seed}/{self.name}/{self.requests}")
        return random, script.fault if random.random() < script.fault_ratio else None

    def seconds_until_ready(self, boot: Boot | None, now_ns: int) -> float:
        """Return how much longer the model needs to load. 0 if it is ready."""
        if boot is None:
            return 0.0
        return max(0.0, boot.seconds - (now_ns - self.boot_began_ns) / NANOSECONDS)

    def presence(self, boot: Boot | None, now_ns: int) -> Presence:
        """Return whether the model is in memory."""
        if not (self.seconds_until_ready(boot, now_ns) or self._is_unloaded(boot, now_ns)):
            return Presence.LOADED
        waits = boot is not None and boot.sign in (Sign.HELD, Sign.SILENT)
        return Presence.ON_DEMAND if waits else Presence.ABSENT

    def _is_unloaded(self, boot: Boot | None, now_ns: int) -> bool:
        if boot is None or boot.idle_seconds is None:
            return False
        loaded_ns = self.boot_began_ns + boot.seconds * NANOSECONDS
        return now_ns - max(self.last_request_ns, loaded_ns) > boot.idle_seconds * NANOSECONDS
