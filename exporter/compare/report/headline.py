"""The verdict as a headline and as plain sentences that agree with the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.compare.enumeration import listed
from exporter.compare.report.figures import share_text, value_text
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Finding, Versus
from exporter.compare.statistics.measures import Measure, Unit
from exporter.compare.statistics.verdict import Verdict

_UNITS_IN_TITLES = (Unit.USD, Unit.TOKENS_PER_SECOND)
_PER_TOKEN = (Measure.TPOT_TYPICAL, Measure.TPOT_P50, Measure.TPOT_P95)


@dataclass(frozen=True, slots=True)
class _Aspect:
    """What some measures mean to a reader who doesn't know quantiles."""

    measures: tuple[Measure, ...]
    """Measures of nearly the same question. The first one with a verdict answers it."""
    name: str
    better: str
    worse: str
    same: str = ""
    """Empty if it isn't worth a clause."""
    unit: str = ""
    """What the figures refer to, where the words don't say it."""


_ASPECTS = (
    _Aspect(
        (Measure.SUCCESS,), "success", "fails less often", "fails more often", "is just as reliable"
    ),
    _Aspect(
        (Measure.TTFT_TYPICAL, Measure.TTFT_P50),
        "time to first token",
        "starts to answer sooner", "starts to answer later", "starts to answer just as soon",
    ),
    _Aspect(
        (Measure.TTFT_P95,),
        "time to first token p95",
        "starts sooner in its slowest 5 %", "starts later in its slowest 5 %",
        "starts just as soon in its slowest 5 %",
    ),
    _Aspect(
        (Measure.TPOT_TYPICAL, Measure.TPOT_P50, Measure.TOKENS_PER_SECOND),
        "time per output token",
        "writes faster", "writes more slowly", "writes just as fast",
    ),
    _Aspect(
        (Measure.TPOT_P95,),
        "time per output token p95",
        "writes faster in its slowest 5 %", "writes more slowly in its slowest 5 %",
    ),
    _Aspect(
        (Measure.DURATION_TYPICAL, Measure.DURATION_P50),
        "request duration",
        "finishes sooner", "finishes later", "finishes just as soon",
    ),
    _Aspect(
        (Measure.DURATION_P95,),
        "request duration p95",
        "finishes sooner in its slowest 5 %", "finishes later in its slowest 5 %",
    ),
    _Aspect(
        (Measure.USD_PER_THOUSAND_REQUESTS,),
        "cost", "costs less", "costs more", "costs about the same",
        unit="per thousand requests",
    ),
    _Aspect(
        (Measure.USD_PER_MILLION_TOKENS,),
        "cost per token", "costs less per token", "costs more per token",
        unit="per million tokens",
    ),
    _Aspect(
        (Measure.COLD_START,),
        "cold start", "wakes up faster", "takes longer to wake up", "wakes up just as fast",
    ),
)  # fmt: skip

_HEADLINES = {
    (True, False): "{candidate} beats {baseline}",
    (False, True): "{candidate} falls behind {baseline}",
    (True, True): "{candidate} beats {baseline} in some ways and falls behind in others",
}


def headline(report: Report, versus: Versus) -> str:
    """Summarize the verdict in one line.

    More failures outweigh everything else: a missing answer isn't fast. A candidate that might fail
    more often doesn't beat the baseline either.
    """
    answers = dict(_answers(versus))
    better, worse, same, unsure = (
        [aspect for aspect, finding in answers.items() if finding.verdict is verdict]
        for verdict in (Verdict.BETTER, Verdict.WORSE, Verdict.SAME, Verdict.UNDECIDED)
    )
    names = {"candidate": versus.candidate.name, "baseline": report.subject.baseline.name}
    if any(Measure.SUCCESS in aspect.measures for aspect in worse):
        rest = ", despite its other advantages" if better else ""
        return "{candidate} fails more often than {baseline}".format(**names) + rest
    if better and any(map(_might_fail_more, answers.values())):
        return "{candidate} has advantages over {baseline}, but might fail more often".format(
            **names
        )
    if better or worse:
        return _HEADLINES[bool(better), bool(worse)].format(**names)
    if same and unsure:
        known = listed([aspect.name for aspect in same])
        return (
            "{candidate} matches {baseline} in ".format(**names)
            + f"{known}; there is not enough data on the rest"
        )
    if same:
        return "{candidate} matches {baseline}".format(**names)
    return "There is not enough data to tell {candidate} from {baseline}".format(**names)


def whole_headline(report: Report, versus: Versus) -> str:
    """Summarize the verdict in one line, and name the levels of load that it would hide."""
    line, own = headline(report, versus), versus.candidate
    hidden = [
        str(level.streams)
        for level in (report.load.levels if report.load else ())
        if any(one.candidate == own and one.having(Verdict.WORSE) for one in level.versus)
    ]
    if not hidden or versus.having(Verdict.WORSE):
        return line
    streams = "1 stream" if hidden == ["1"] else f"{listed(hidden)} streams"
    return f"{line}; with {streams}, {own.name} falls behind"


def _might_fail_more(finding: Finding) -> bool:
    """Whether the candidate failed more often, beyond the margin, though not certainly."""
    if finding.measure is not Measure.SUCCESS or finding.verdict is not Verdict.UNDECIDED:
        return False
    return finding.effect is not None and finding.effect.value < -finding.margin


def story(versus: Versus) -> str:
    """Describe the verdict in plain sentences.

    Advantages come first, unless the candidate fails more often.
    """
    answers = dict(_answers(versus))
    order = [Verdict.BETTER, Verdict.WORSE]
    if any(f.measure is Measure.SUCCESS and f.verdict is Verdict.WORSE for f in answers.values()):
        order.reverse()
    first, second = (_clauses(answers, verdict) for verdict in order)
    sentences = [
        _sentence("It", first),
        _sentence("But it" if first else "It", second),
        _sentence("It", _clauses(answers, Verdict.SAME)),
        _about("There is not enough data on {}.", answers, Verdict.UNDECIDED),
        _about("Not measured: {}.", answers, Verdict.NOT_MEASURED),
    ]
    return " ".join(filter(None, sentences))


def _answers(versus: Versus) -> Iterator[tuple[_Aspect, Finding]]:
    """Yield each judged aspect with the finding that answers it."""
    judged = {finding.measure: finding for finding in versus.findings}
    for aspect in _ASPECTS:
        findings = [judged[measure] for measure in aspect.measures if measure in judged]
        certain = [f for f in findings if f.verdict in (Verdict.BETTER, Verdict.WORSE)]
        same = [f for f in findings if f.verdict is Verdict.SAME]
        if findings:
            yield aspect, (certain or same or findings)[0]


def _clauses(answers: Mapping[_Aspect, Finding], verdict: Verdict) -> list[str]:
    words = [_clause(*answer) for answer in answers.items() if answer[1].verdict is verdict]
    return [clause for clause in words if clause]


def _clause(aspect: _Aspect, finding: Finding) -> str:
    if finding.verdict is Verdict.SAME:
        return aspect.same
    words = aspect.better if finding.verdict is Verdict.BETTER else aspect.worse
    return f"{words} ({_figures(finding)}) {aspect.unit}".rstrip()


def _figures(finding: Finding) -> str:
    candidate, baseline = finding.candidate, finding.baseline
    if finding.measure is Measure.SUCCESS:  # failures are easier to compare than successes
        failing = (1 - (candidate or 0.0), 1 - (baseline or 0.0))
        return " instead of ".join(map(share_text, failing))
    figures = " instead of ".join(value_text(finding, value) for value in (candidate, baseline))
    if finding.measure in _PER_TOKEN:
        return f"{figures} per token"
    is_bare = finding.definition.unit in _UNITS_IN_TITLES
    return f"{figures} {finding.definition.unit}" if is_bare else figures


def _sentence(subject: str, clauses: Sequence[str]) -> str:
    return f"{subject} {listed(clauses)}." if clauses else ""


def _about(sentence: str, answers: Mapping[_Aspect, Finding], verdict: Verdict) -> str:
    names = [aspect.name for aspect, finding in answers.items() if finding.verdict is verdict]
    return sentence.format(listed(names)) if names else ""
