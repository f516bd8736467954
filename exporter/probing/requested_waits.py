"""How long providers asked to be left alone (``Retry-After``)."""

from __future__ import annotations

import time

from exporter.config.plan import Identity, Plan
from exporter.result import ProbeResult

MAX_RETRY_AFTER_SECONDS = 900.0
"""The longest wait that a provider can request. A longer one would hide its recovery."""


class RequestedWaits:
    """The waits that providers requested, in the answer to any probe: scheduled, cold, or
    manual."""

    def __init__(self) -> None:
        self._until: dict[Identity, float] = {}
        """By ``Plan.asked``, in monotonic seconds."""

    def note(self, plan: Plan, result: ProbeResult) -> None:
        """Record what the result of a plan's probe requests, if anything."""
        if result.failure and result.retry_after_seconds:
            now = time.monotonic()
            self._until = {asked: until for asked, until in self._until.items() if until > now}
            self._until[plan.asked] = now + min(result.retry_after_seconds, MAX_RETRY_AFTER_SECONDS)

    def includes(self, plan: Plan) -> bool:
        """Return whether the plan's provider wants no probe yet."""
        return time.monotonic() < self._until.get(plan.asked, 0.0)
