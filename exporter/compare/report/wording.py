"""Sentences and table rows of the report, shared by all formats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.compare.report.figures import change_texts, margin_text, value_text
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Finding, Tally, Versus
from exporter.compare.statistics.measures import DEFINITIONS
from exporter.compare.statistics.verdict import Verdict

HEADINGS = ("Measure", "Baseline", "Candidate", "Change", "Interval", "Verdict")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a candidate's table."""

    finding: Finding
    title: str
    baseline: str
    candidate: str
    change: str
    interval: str
    verdict: str
    note: str

    @property
    def figures(self) -> tuple[str, ...]:
        """The cells between the measure and the verdict."""
        return self.baseline, self.candidate, self.change, self.interval


def rows(versus: Versus) -> tuple[Row, ...]:
    return tuple(_row(finding) for finding in versus.findings)


def _row(finding: Finding) -> Row:
    change, interval = change_texts(finding)
    return Row(
        finding=finding,
        title=finding.definition.title,
        baseline=value_text(finding, finding.baseline),
        candidate=value_text(finding, finding.candidate),
        change=change,
        interval=interval,
        verdict=verdict_text(finding),
        note=finding.note,
    )


def verdict_text(finding: Finding) -> str:
    if finding.verdict is Verdict.SAME:
        return f"same within {margin_text(finding)}"
    return finding.verdict.value


def tally_text(tally: Tally) -> str:
    """Describe the outcomes of a target's probes."""
    text = f"{tally.party.name}: {tally.probes} {'probe' if tally.probes == 1 else 'probes'}"
    if tally.failed:
        reasons = ", ".join(f"{count} {reason}" for reason, count in tally.failures.items())
        text += (
            f", {tally.failed} failed ({reasons});"
            " failures lower the success ratio and have no times"
        )
    else:
        text += ", none failed"
    if tally.uncertain:
        text += f"; {tally.uncertain} have no times because this host was too busy to measure them"
    if tally.interrupted:
        text += f"; {tally.interrupted} have no outcome because this host was too busy to run them"
    if tally.cold_probes:
        text += f"; {tally.cold_probes} cold"
    if tally.cost_usd is not None:
        text += f"; {tally.cost_usd:.4f} USD"
    return f"{text}."


def method(report: Report) -> Iterator[str]:
    """Yield what a reader must know to trust the figures, in a few sentences each."""
    yield f"{report.subject.asked} {report.subject.source}"
    if report.started_at:
        times = (_time(when) for when in (report.started_at, report.ended_at))
        yield f"Samples were taken from {' to '.join(times)}."
    yield from _ended_early(report)
    yield from map(tally_text, report.tallies)
    yield (
        f"Change compares the candidate with the baseline and has a"
        f" {report.confidence * 100:.4g} % confidence interval. The report corrects for testing"
        f" several measures and tests {_listed_first(report)} first. Same means that the whole"
        f" interval lies within the margin."
    )
    if report.look:
        yield (
            f"This is look {report.look.number} of a comparison that ends as soon as it has a"
            f" verdict, so the intervals have {report.confidence:.2%} confidence."
        )
    if report.run_length > 1:
        yield (
            f"Consecutive blocks resembled each other, for example because a provider was slow for"
            f" a while. Runs of {report.run_length} blocks count as one, which widens the"
            f" intervals."
        )
    yield from report.subject.notes


def _ended_early(report: Report) -> Iterator[str]:
    if report.interrupted:
        yield "The comparison was interrupted."
    planned, probes = report.subject.planned_probes, min(tally.probes for tally in report.tallies)
    if planned and probes < planned and not report.look:
        yield f"The comparison ended after {probes} of the {planned} planned probes of each side."


def missing_answers(report: Report, versus: Versus) -> Iterator[str]:
    """Yield what failures leave to compare."""
    baseline, candidate = report.subject.baseline.name, versus.candidate.name
    blocks = report.blocks[candidate]
    if blocks.answered_by_both == blocks.probed:
        return
    yield (
        f"Times, speeds, and costs compare only what both {baseline} and {candidate} answered:"
        f" {blocks.answered_by_both} of {blocks.probed} blocks. A side that fails on long prompts"
        " doesn't look faster or cheaper for it."
    )
    if blocks.answered_by_neither:
        yield (
            f"In {blocks.answered_by_neither} of {blocks.probed} blocks, neither answered. That"
            " lowers both success ratios, but can't tell the two apart. Look for a cause that they"
            " share, such as this host's network, or a prompt that is too long for both."
        )


def _listed_first(report: Report) -> str:
    """List the measures given by ``--first``, or the default ones."""
    return " and ".join(DEFINITIONS[measure].short for measure in report.rules.leading)


def _time(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M} UTC"
