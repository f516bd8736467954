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
    """The traffic whose cost the report shows."""

    requests_per_day: float
    tokens: tuple[float, float] | None = None
    """Input and output tokens of a request; ``None``: use the measured tokens."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for judging samples."""

    measures: tuple[Measure, ...] = tuple(Measure)
    """The measures to judge. Fewer measures need less correction, if chosen in advance."""
    first: tuple[Measure, ...] = ()
    """The most important measures, chosen in advance; empty for the typical time to first token."""
    objectives: tuple[Objective, ...] = ()
    """The objectives that each side must meet under load."""
    traffic: Traffic | None = None
    """The traffic whose monthly cost the report shows."""
    margins: Mapping[Measure, float] = field(default_factory=dict)
    """The margins that override the default of a measure."""
    confidence: float = CONFIDENCE
    draws: int = DRAWS
    """The number of bootstrap draws. The smallest possible p-value is 2 divided by this number."""
    seed: int = 0

    @property
    def leading(self) -> tuple[Measure, ...]:
        """The measures that start with nearly all of the permitted error."""
        return self.first or (Measure.TTFT_TYPICAL,)

    @property
    def decisive(self) -> tuple[Measure, ...]:
        """The measures that must have a verdict before a comparison can stop early."""
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
    """``None`` if there are too few samples for an interval."""
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


@dataclass(frozen=True, slots=True)
class Blocks:
    """The number of blocks in which a candidate and the baseline were both probed."""

    probed: int
    answered_by_both: int
    answered_by_neither: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The number of probes of one target, by outcome."""

    party: Party
    probes: int
    failures: Mapping[str, int]
    """The number of failures by reason, the most frequent first."""
    example: str = ""
    """The detail of one failure."""
    uncertain: int = 0
    """The number of successes without times: this machine was too busy to measure them."""
    interrupted: int = 0
    """The number of probes without an outcome: this process wasn't running when a deadline
    passed."""
    cold_probes: int = 0
    cost_usd: float | None = None
    """``None`` if the price is unknown."""

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    @property
    def success_ratio(self) -> float:
        """The share of warm probes with an outcome that succeeded; 1 without any."""
        return 1 - self.failed / max(1, self.probes - self.interrupted)
