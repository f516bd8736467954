"""The report in words and figures for people, the same in every form of output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.compare.statistics.findings import Finding, Report, Tally, Versus
from exporter.compare.statistics.measures import Measure, SuccessRatio, Unit
from exporter.compare.statistics.verdict import Verdict
from exporter.settings.units import format_duration

HEADINGS = ("Measure", "Baseline", "Candidate", "Change", "Interval", "Verdict")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a candidate's table."""

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
        """What stands between the measure and the verdict."""
        return self.baseline, self.candidate, self.change, self.interval


def rows(versus: Versus) -> tuple[Row, ...]:
    return tuple(_row(finding) for finding in versus.findings)


def _row(finding: Finding) -> Row:
    effect = finding.effect
    return Row(
        finding=finding,
        title=finding.definition.title,
        baseline=value_text(finding, finding.baseline),
        candidate=value_text(finding, finding.candidate),
        change=_change(finding, effect.value) if effect else "",
        interval=_span(_change(finding, effect.low), _change(finding, effect.high))
        if effect
        else "",
        verdict=verdict_text(finding),
        note=finding.note,
    )


def _span(low: str, high: str) -> str:
    """``-47 to -32 %``: the unit once, if it is the same."""
    start, _, unit = low.partition(" ")
    return f"{start} to {high}" if unit == high.partition(" ")[2] else f"{low} to {high}"


def verdict_text(finding: Finding) -> str:
    if finding.verdict is Verdict.SAME:
        return f"same within {margin_text(finding)}"
    return finding.verdict.value


def margin_text(finding: Finding) -> str:
    if isinstance(finding.definition.statistic, SuccessRatio):
        return f"{finding.margin * 100:g} pp"
    return f"{finding.margin * 100:.3g} %"


def value_text(finding: Finding, value: float | None) -> str:
    """A value, with its unit unless the measure's title has it."""
    if value is None:
        return "-"
    match finding.definition.unit:
        case Unit.SECONDS:
            return seconds_text(value)
        case Unit.SHARE:
            return f"{value * 100:.1f} %"
        case Unit.USD:
            return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"
        case Unit.TOKENS_PER_SECOND:
            return f"{value:.3g}"


def seconds_text(seconds: float) -> str:
    """Three figures are what a sample is good for."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 100 else format_duration(round(seconds))


def _change(finding: Finding, effect: float) -> str:
    """``-34 %``; a share changes by percentage points (pp)."""
    if isinstance(finding.definition.statistic, SuccessRatio):
        return f"{effect * 100:+.1f} pp"
    return ratio_text(effect)


def ratio_text(ratio: float) -> str:
    """A factor as a change; from twice as much on, factors are easier to grasp."""
    if ratio >= 2:
        return f"{ratio:.3g} times"
    return f"{(ratio - 1) * 100:+.{1 if abs(ratio - 1) < 0.1 else 0}f} %"


_UNITS_IN_TITLES = (Unit.USD, Unit.TOKENS_PER_SECOND)

_HEADLINES = {
    (True, False): "{candidate} beats {baseline}",
    (False, True): "{candidate} falls behind {baseline}",
    (True, True): "{candidate} beats {baseline} in some ways and falls behind in others",
}


def headline(report: Report, versus: Versus) -> str:
    """The verdict in one line."""
    better, worse = versus.having(Verdict.BETTER), versus.having(Verdict.WORSE)
    names = {"candidate": versus.candidate.name, "baseline": report.subject.baseline.name}
    if better or worse:
        return _HEADLINES[bool(better), bool(worse)].format(**names)
    if versus.having(Verdict.SAME) and all(f.verdict is Verdict.SAME for f in _told(versus)):
        return "{candidate} matches {baseline}".format(**names)
    return "There is not enough data to tell {candidate} from {baseline}".format(**names)


def _told(versus: Versus) -> Iterator[Finding]:
    return (finding for finding in versus.findings if finding.effect)


@dataclass(frozen=True, slots=True)
class _Aspect:
    """What a measure means to somebody who knows nothing of quantiles."""

    measure: Measure
    better: str
    same: str
    worse: str


_ASPECTS = (
    _Aspect(
        Measure.TTFT_P50, "starts to answer sooner", "starts to answer as soon",
        "starts to answer later",
    ),
    _Aspect(
        Measure.TTFT_P95, "keeps few waiting as long for the first word",
        "keeps the unlucky ones waiting as long", "keeps the unlucky ones waiting longer",
    ),
    _Aspect(Measure.TOKENS_PER_SECOND, "writes faster", "writes as fast", "writes more slowly"),
    _Aspect(Measure.DURATION_P50, "is done sooner", "is done as soon", "is done later"),
    _Aspect(Measure.SUCCESS, "fails less often", "is as reliable", "fails more often"),
    _Aspect(
        Measure.USD_PER_THOUSAND_REQUESTS, "costs less", "costs as much", "costs more"
    ),
    _Aspect(
        Measure.COLD_START, "wakes up faster", "wakes up as fast", "takes longer to wake up"
    ),
)  # fmt: skip


def story(versus: Versus) -> str:
    """The verdict in plain sentences."""
    by_verdict: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    judged = {finding.measure: finding for finding in versus.findings}
    for aspect in _ASPECTS:
        if finding := judged.get(aspect.measure):
            by_verdict[finding.verdict].append(_clause(aspect, finding))
    sentences = [
        _sentence("It", by_verdict[Verdict.BETTER]),
        _sentence("But it" if by_verdict[Verdict.BETTER] else "It", by_verdict[Verdict.WORSE]),
        _sentence("It", by_verdict[Verdict.SAME]),
        _open_questions(by_verdict[Verdict.UNDECIDED]),
    ]
    return " ".join(filter(None, sentences))


def _clause(aspect: _Aspect, finding: Finding) -> str:
    figures = f"{value_text(finding, finding.candidate)} instead of"
    figures += f" {value_text(finding, finding.baseline)}"
    if finding.definition.unit in _UNITS_IN_TITLES:
        figures += f" {finding.definition.unit}"
    match finding.verdict:
        case Verdict.BETTER:
            return f"{aspect.better} ({figures})"
        case Verdict.WORSE:
            return f"{aspect.worse} ({figures})"
        case Verdict.SAME:
            return aspect.same
        case Verdict.UNDECIDED | Verdict.NOT_MEASURED:
            title = finding.definition.title
            return title if title.startswith("USD") else title[0].lower() + title[1:]


def _sentence(subject: str, clauses: Sequence[str]) -> str:
    return f"{subject} {_listed(clauses)}." if clauses else ""


def _open_questions(titles: Sequence[str]) -> str:
    return f"There is not enough data on {_listed(titles)}." if titles else ""


def _listed(items: Sequence[str]) -> str:
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def tally_text(tally: Tally) -> str:
    """How the probes of a target went."""
    text = f"{tally.party.name}: {tally.probes} probes"
    if tally.failed:
        reasons = ", ".join(f"{count} {reason}" for reason, count in tally.failures.items())
        text += f", {tally.failed} failed ({reasons}); they count against success and have no times"
    else:
        text += ", none failed"
    if tally.uncertain:
        text += (
            f"; {tally.uncertain} have no times, since this machine was too busy to take them well"
        )
    if tally.cold_probes:
        text += f"; {tally.cold_probes} after idleness"
    if tally.cost_usd is not None:
        text += f"; {tally.cost_usd:.4f} USD"
    return f"{text}."


def method(report: Report) -> Iterator[str]:
    """What a reader must know to trust the figures, one sentence or two each."""
    yield f"{report.subject.asked} {report.subject.source}"
    if report.started_at:
        times = (_time(when) for when in (report.started_at, report.ended_at))
        yield f"Samples were taken from {' to '.join(times)}."
    if report.interrupted:
        yield "The comparison was interrupted before its end."
    yield from map(tally_text, report.tallies)
    yield (
        f"Change is the candidate's value against the baseline's, with a"
        f" {report.confidence * 100:.4g} % interval. A difference counts once it is"
        f" certain enough among all measures of this report (Holm's correction); the same means"
        f" that the whole interval lies within the margin."
    )
    if report.look:
        yield (
            f"This is look {report.look.number} of a comparison that ends as soon as it is decided,"
            f" so intervals are as wide as {report.confidence:.2%} confidence asks for."
        )
    if report.run_length > 1:
        yield (
            f"Blocks in a row resembled each other, as when a provider is slow for a while: runs"
            f" of {report.run_length} blocks were taken for one, which widens the intervals."
        )
    yield from report.subject.notes


def _time(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M} UTC"
