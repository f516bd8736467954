"""Timeouts of probes that a busy machine can make late."""

from __future__ import annotations

from dataclasses import replace

from exporter.config.plan import Timeouts
from exporter.result import FailureReason

PATIENT = Timeouts(total=60)
"""Longer than any delay of a busy machine."""


def limits_for(reason: FailureReason | None) -> Timeouts:
    """Return timeouts of which only the one with this reason is short.

    With one short timeout, a late server can't cause another one.
    """
    match reason:
        case FailureReason.TIMEOUT_CONNECT:
            return replace(PATIENT, connect=0.4)
        case FailureReason.TIMEOUT_FIRST_TOKEN:
            return replace(PATIENT, first_token=0.4)
        case FailureReason.TIMEOUT_STALL:
            return replace(PATIENT, stall=0.4)
        case FailureReason.TIMEOUT_TOTAL:
            return replace(PATIENT, total=0.8)
        case _:
            return PATIENT
