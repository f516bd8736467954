"""The command-line options as typed values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from exporter.compare.sampling.prompts import Length
from exporter.compare.statistics.findings import Rules


@dataclass(frozen=True, slots=True)
class Asking:
    """The prompts; at most one of the first four is set."""

    probe: str | None = None
    prompts_file: Path | None = None
    shapes_file: Path | None = None
    lengths: tuple[Length, ...] = ()
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The sides, the source of samples, and when to stop."""

    baseline: str | None
    candidates: tuple[str, ...]
    config: Path | None
    asking: Asking
    probes: int | None
    concurrency: tuple[int, ...]
    """Streams at once, level by level; empty for one probe after the other."""
    max_requests: int | None
    pause_seconds: float
    budget_usd: float | None
    until_decided: bool
    cold_idle_seconds: float | None
    cold_rounds: int
    samples: Path | None
    from_samples: Path | None
    prometheus: str | None
    prometheus_token_env: str | None
    since_seconds: float
    before_after: str | None
    """A moment in the past: the baseline before it is compared with the baseline after it."""
    windows: tuple[str, ...]
    """Spans of the past in which the baseline is compared with itself."""
    rules: Rules = field(default_factory=Rules)
