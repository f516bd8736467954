"""What makes a model cold, how a server boots, and what is known of a target meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ColdSignal(StrEnum):
    """How a model showed that it was cold; each is a label value of
    ``inference_cold_starts_total``."""

    NOT_READY = "not_ready"
    """The provider said so."""
    REFUSED = "refused"
    """Nobody listened."""
    GATEWAY = "gateway"
    """A proxy had nobody to ask: 502, 503 or 504, after the model had been left alone."""
    LOAD_TIME = "load_time"
    """The server told how long it had been loading."""
    SLOW = "slow"
    """Nothing but a first token much later than usual."""
    BOOT = "boot"
    """It was the first answer of a server that was watched while it booted."""
    NONE = "none"
    """Nothing showed it, although the model had been left alone: it was most likely warm."""


@dataclass(frozen=True, slots=True)
class Coldness:
    """What makes a result a cold one."""

    signal: ColdSignal
    attempts: int = 1
    """Requests it took, those that found the model not ready included."""
    duration_seconds: float | None = None
    """From the first attempt sent, or from the first refused connection of a watched boot, to the
    first token; ``None`` where there was no token."""
    penalty_seconds: float | None = None
    """How much longer that is than the recent warm median, where there is one."""


class BootPhase(StrEnum):
    """How far a booting server has come; each is a label value of
    ``inference_boot_phase_duration_seconds``."""

    LISTENING = "listening"
    HEALTHY = "healthy"
    MODEL_LISTED = "model_listed"
    FIRST_TOKEN = "first_token"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A target whose model is not ready, or that is left alone to become cold."""

    since: float
    """Unix seconds."""
    detail: str
    """What is known of it, for people; free of secrets."""
    ready: bool = False
    """Whether nothing is wrong with it: it is only left alone, or was asked and may yet answer."""
