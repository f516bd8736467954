"""The command-line options as typed values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from exporter.compare.sampling.prompts import Length
from exporter.compare.statistics.findings import Rules


@dataclass(frozen=True, slots=True)
class Asking:
    """The source of the prompts. At most one of the first four fields is set."""

    probe: str | None = None
    prompts_file: Path | None = None
    shapes_file: Path | None = None
    lengths: tuple[Length, ...] = ()
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The sides, the source of the samples and the limits."""

    baseline: str | None
    candidates: tuple[str, ...]
    config: Path | None
    asking: Asking
    probes: int | None
    concurrency: tuple[int, ...]
    """The number of concurrent streams at each level; empty for one probe at a time."""
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
    """A date in the past. The baseline before it is compared with the baseline after it."""
    windows: tuple[str, ...]
    """Time ranges in which the baseline is compared with itself."""
    rules: Rules = field(default_factory=Rules)
