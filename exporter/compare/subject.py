"""The sides of a comparison, the prompts that they got, and the notes for the report."""

from __future__ import annotations

from dataclasses import dataclass, replace

from exporter.compare.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A target at the time of the comparison."""

    name: str
    provider: str = ""
    model: str = ""
    endpoint: str = ""
    usd_per_million_input: float | None = None
    """``None`` if the price is unknown or isn't per token."""
    usd_per_million_output: float | None = None
    usd_per_hour: float | None = None
    """The price of a server paid by the hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What was compared, and how: the first line of a samples file."""

    baseline: Party
    candidates: tuple[Party, ...]
    source: str
    """Where the samples come from, as a sentence."""
    asked: str
    """What the prompts were, as a sentence."""
    fingerprint: str = ""
    """A hash of everything that must not change between the first sample and the last."""
    planned_probes: int | None = None
    """Per target; ``None`` for samples of the past."""
    requests_per_level: tuple[tuple[int, int], ...] = ()
    """Under load: each number of streams, and the requests that each side is planned to get."""
    until_decided: bool = False
    notes: tuple[str, ...] = ()
    """Caveats that a reader of the report must know."""

    @property
    def parties(self) -> tuple[Party, ...]:
        return (self.baseline, *self.candidates)

    @property
    def facts(self) -> Subject:
        """Everything except the sentences, which other versions word differently."""
        return replace(self, source="", asked="", notes=())


@dataclass(frozen=True, slots=True)
class Evidence:
    """The input of a comparison, whether from new probes, from Prometheus or from a file."""

    subject: Subject
    samples: tuple[Sample, ...]
