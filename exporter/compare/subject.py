"""The sides of a comparison, what was sent to them, and the notes for the report."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.compare.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A target as it was compared."""

    name: str
    provider: str = ""
    model: str = ""
    endpoint: str = ""
    usd_per_million_input: float | None = None
    """``None`` where the price is not known, or is not by the token."""
    usd_per_million_output: float | None = None
    usd_per_hour: float | None = None
    """Of a server that is paid by the hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What was compared and how it was asked; the first line of a samples file."""

    baseline: Party
    candidates: tuple[Party, ...]
    source: str
    """Where the samples are from, in words."""
    asked: str
    """What was asked, in words."""
    fingerprint: str = ""
    """Of everything that must not change between the first sample and the last."""
    planned_probes: int | None = None
    """Per target; ``None`` for samples of the past."""
    until_decided: bool = False
    notes: tuple[str, ...] = ()
    """What a reader must know before trusting the figures."""

    @property
    def parties(self) -> tuple[Party, ...]:
        return (self.baseline, *self.candidates)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a comparison judges, whether asked now, seen by Prometheus or read from a file."""

    subject: Subject
    samples: tuple[Sample, ...]
