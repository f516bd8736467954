"""The result of a comparison: frozen values, for any report format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.compare.statistics.measures import DEFINITIONS, TYPICAL, Definition, Measure
from exporter.compare.statistics.verdict import Effect, Verdict
from exporter.compare.subject import Party

CONFIDENCE = 0.95
DRAWS = 9_999


@dataclass(frozen=True, slots=True)
class Objective:
    """A time that a quantile must not exceed."""

    measure: Measure
    seconds: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """The traffic of a month."""

    requests_per_day: float
    tokens: tuple[float, float] | None = None
    """Input and output of a request; ``None``: as they were measured."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How samples are judged."""

    measures: tuple[Measure, ...] = tuple(Measure)
    """What is judged; fewer measures need less correction, if they are chosen beforehand."""
    first: tuple[Measure, ...] = ()
    """What matters most, chosen beforehand; empty for the typical time to first token."""
    objectives: tuple[Objective, ...] = ()
    """Under load, what must be kept."""
    traffic: Traffic | None = None
    """The traffic whose monthly cost the report shows."""
    margins: Mapping[Measure, float] = field(default_factory=dict)
    """Where they differ from a measure's own."""
    confidence: float = CONFIDENCE
    draws: int = DRAWS
    """Of the bootstrap; the smallest p-value that it can give is 2 in so many."""
    seed: int = 0

    @property
    def leading(self) -> tuple[Measure, ...]:
        """What has nearly all of the permitted error to begin with."""
        return self.first or (Measure.TTFT_TYPICAL,)

    @property
    def decisive(self) -> tuple[Measure, ...]:
        """What must have a verdict before a comparison ends."""
        usual = tuple(measure for measure in TYPICAL if measure in self.measures)
        return self.first or usual or self.measures

    @property
    def alpha(self) -> float:
        return 1 - self.confidence

    def margin(self, measure: Measure) -> float:
        return self.margins.get(measure, DEFINITIONS[measure].margin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One measure of one candidate."""

    measure: Measure
    baseline: float | None
    candidate: float | None
    effect: Effect | None
    """``None`` where there are too few samples for an interval."""
    corrected_p: float | None
    margin: float
    verdict: Verdict
    note: str = ""
    """Why there is no verdict."""

    @property
    def definition(self) -> Definition:
        return DEFINITIONS[self.measure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """One candidate against the baseline."""

    candidate: Party
    findings: tuple[Finding, ...]

    def having(self, verdict: Verdict) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict is verdict)

    def finding(self, measure: Measure) -> Finding:
        """:raises LookupError: the measure was not judged."""
        for finding in self.findings:
            if finding.measure is measure:
                return finding
        raise LookupError(measure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How the probes of one target went."""

    party: Party
    probes: int
    failures: Mapping[str, int]
    """By reason, the most frequent first."""
    example: str = ""
    """What one of the failures said."""
    uncertain: int = 0
    """Successes without times, since this machine was too busy to take them."""
    cold_probes: int = 0
    cost_usd: float | None = None
    """``None`` where the price is not known."""

    @property
    def failed(self) -> int:
        return sum(self.failures.values())
