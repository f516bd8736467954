"""Cold models, booting servers, and targets that aren't ready."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ColdSignal(StrEnum):
    """How a model showed that it was cold: a label value of ``inference_cold_starts_total``."""

    NOT_READY = "not_ready"
    """The provider said that the model wasn't ready."""
    REFUSED = "refused"
    """The connection was refused."""
    GATEWAY = "gateway"
    """A proxy had no backend: 502, 503, or 504 after an idle period."""
    LOAD_TIME = "load_time"
    """The server reported how long it spent loading the model."""
    SLOW = "slow"
    """The only sign was a first token that came much later than usual."""
    BOOT = "boot"
    """This was the first answer after a boot that the exporter watched."""
    NONE = "none"
    """There was no sign of a cold start despite the idle period. The model was most likely warm."""


@dataclass(frozen=True, slots=True)
class Coldness:
    """Why a result counts as a cold start."""

    signal: ColdSignal
    attempts: int = 1
    """Requests sent, including those that found the model not ready."""
    duration_seconds: float | None = None
    """Seconds to the first token, from the first attempt or, for a watched boot, from the first
    refused connection. ``None`` if no token arrived."""
    penalty_seconds: float | None = None
    """How much longer that is than the recent warm median. ``None`` if there isn't one."""


class BootPhase(StrEnum):
    """A phase of a boot: a label value of ``inference_boot_phase_duration_seconds``."""

    LISTENING = "listening"
    HEALTHY = "healthy"
    MODEL_LISTED = "model_listed"
    FIRST_TOKEN = "first_token"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The state of a target that isn't ready, or that the prober leaves idle so that it goes
    cold."""

    since: float
    """Unix seconds."""
    detail: str
    """What is known about the target: a message for people, with secrets removed."""
    ready: bool = False
    """Whether the target has no known problem: it is only left idle, or its answer is still
    outstanding."""
