"""What a comparison found: frozen values, ready to be shown in any form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.compare.sample import Sample
from exporter.compare.statistics.measures import DEFINITIONS, TYPICAL, Definition, Measure
from exporter.compare.statistics.sequential import Look
from exporter.compare.statistics.verdict import Effect, Verdict
from exporter.compare.subject import Party, Subject

CONFIDENCE = 0.95
DRAWS = 9_999


@dataclass(frozen=True, slots=True)
class Rules:
    """How samples are judged."""

    measures: tuple[Measure, ...] = tuple(Measure)
    """What is judged; fewer measures need less correction, if they are chosen beforehand."""
    first: tuple[Measure, ...] = ()
    """What matters most, chosen beforehand; empty for the typical time to first token."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole comparison."""

    subject: Subject
    rules: Rules
    tallies: tuple[Tally, ...]
    versus: tuple[Versus, ...]
    confidence: float
    """Of the intervals; above that of the rules where several looks were agreed on."""
    run_length: int
    """How many blocks in a row were drawn together; 1 where they knew nothing of each other."""
    started_at: float
    ended_at: float
    look: Look | None = None
    """Which look of a sequential comparison this is."""
    interrupted: bool = False
    """Whether the user ended the sampling before its time."""
    samples: tuple[Sample, ...] = ()

    def verdicts(self) -> Iterator[Verdict]:
        return (finding.verdict for versus in self.versus for finding in versus.findings)

    @property
    def decided(self) -> bool:
        """Whether more probes would change nothing: every measure that both sides have, but for
        the cold start, which has probes of its own, has a verdict."""
        return self._have_verdicts(self.rules.measures)

    @property
    def answered(self) -> bool:
        """Whether what matters most is decided; the rest is then told as far as it is known."""
        return self._have_verdicts(self.rules.decisive)

    def _have_verdicts(self, measures: Sequence[Measure]) -> bool:
        told = [
            finding.verdict
            for versus in self.versus
            for finding in versus.findings
            if finding.measure in measures and finding.measure is not Measure.COLD_START
            if finding.baseline and finding.candidate
        ]
        return bool(told) and Verdict.UNDECIDED not in told
