"""How long providers asked to be left alone (``Retry-After``)."""

from __future__ import annotations

import time
from dataclasses import dataclass

from exporter.config.plan import Identity, Plan
from exporter.result import ProbeResult

MAX_RETRY_AFTER_SECONDS = 900.0
"""The longest wait that a provider can request. A longer one would hide its recovery."""


@dataclass(frozen=True, slots=True)
class _Wait:
    refused: Identity
    """The plan whose probe was refused."""
    until: float
    """Monotonic seconds."""


class RequestedWaits:
    """The waits that providers requested, in the answer to any probe: scheduled, cold, or
    manual."""

    def __init__(self) -> None:
        self._waits: dict[Identity, _Wait] = {}
        """By ``Plan.asked``."""

    def note(self, plan: Plan, result: ProbeResult) -> None:
        """Record what the result of a plan's probe requests, if anything.

        If a refused probe succeeds after all, which only a manual or a cold one can, the wait ends.
        A success of the target's other probes doesn't end it, because they can have other limits.
        """
        now, known = time.monotonic(), self._waits.get(plan.asked)
        if result.failure and result.retry_after_seconds:
            until = now + min(result.retry_after_seconds, MAX_RETRY_AFTER_SECONDS)
            self._waits = {asked: wait for asked, wait in self._waits.items() if wait.until > now}
            self._waits[plan.asked] = _Wait(plan.identity, until)
        elif result.success and known and known.refused == plan.identity:
            del self._waits[plan.asked]

    def includes(self, plan: Plan) -> bool:
        """Return whether the plan's provider wants no probe yet."""
        wait = self._waits.get(plan.asked)
        return wait is not None and time.monotonic() < wait.until
