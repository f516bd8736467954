"""The complete result of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.compare.sample import Sample
from exporter.compare.statistics.changes import Change
from exporter.compare.statistics.findings import Rules, Tally, Versus
from exporter.compare.statistics.levels import Load
from exporter.compare.statistics.measures import Measure
from exporter.compare.statistics.sequential import Look
from exporter.compare.statistics.verdict import Verdict
from exporter.compare.statistics.worth import Worth
from exporter.compare.subject import Subject


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
    load: Load | None = None
    """What the sides did with several streams at once, if they were asked so."""
    worth: tuple[Worth, ...] = ()
    """What a month of the stated traffic costs on each side."""
    changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    """When the time to first token of a target changed its level."""
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
