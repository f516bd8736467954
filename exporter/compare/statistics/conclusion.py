"""The complete result of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from exporter.compare.sample import Sample
from exporter.compare.statistics.break_even import MonthlyCost
from exporter.compare.statistics.changes import Change
from exporter.compare.statistics.findings import Blocks, Rules, Tally, Versus
from exporter.compare.statistics.levels import Load
from exporter.compare.statistics.measures import Measure
from exporter.compare.statistics.sequential import Look
from exporter.compare.statistics.verdict import Verdict
from exporter.compare.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole comparison."""

    subject: Subject
    rules: Rules
    tallies: tuple[Tally, ...]
    versus: tuple[Versus, ...]
    blocks: Mapping[str, Blocks]
    """By candidate, the blocks that it has in common with the baseline."""
    confidence: float
    """The confidence of the intervals; higher than in the rules if several looks are planned."""
    run_length: int
    """The number of consecutive blocks drawn together; 1 if blocks are independent."""
    started_at: float
    ended_at: float
    look: Look | None = None
    """The look of a sequential comparison."""
    interrupted: bool = False
    """Whether the user stopped the sampling early."""
    load: Load | None = None
    """The results with concurrent streams, if the comparison used them."""
    worth: tuple[MonthlyCost, ...] = ()
    """The monthly cost of the stated traffic on each side."""
    changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    """The change points in the time to first token of each target."""
    samples: tuple[Sample, ...] = ()

    def verdicts(self) -> Iterator[Verdict]:
        """Yield every verdict of the report, also those of each level of load."""
        at_levels = (level.versus for level in self.load.levels) if self.load else ()
        for versus in chain(self.versus, *at_levels):
            yield from (finding.verdict for finding in versus.findings)

    @property
    def decided(self) -> bool:
        """Whether every measure with data on both sides has a verdict, so that more probes would
        change nothing. The cold start doesn't count: it has its own probes."""
        return self._have_verdicts(self.rules.measures)

    @property
    def answered(self) -> bool:
        """Whether the most important measures have a verdict."""
        return self._have_verdicts(self.rules.decisive)

    def _have_verdicts(self, measures: Sequence[Measure]) -> bool:
        verdicts = [
            finding.verdict
            for versus in self.versus
            for finding in versus.findings
            if finding.measure in measures and finding.measure is not Measure.COLD_START
            if finding.baseline and finding.candidate
        ]
        return bool(verdicts) and Verdict.UNDECIDED not in verdicts
