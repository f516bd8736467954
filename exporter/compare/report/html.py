"""The report as one HTML file without scripts or external resources."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from exporter import __version__
from exporter.compare.report.break_even_text import change_sentences, worth_sentences
from exporter.compare.report.figures import margin_text
from exporter.compare.report.headline import story, whole_headline
from exporter.compare.report.load_plot import latency_by_throughput
from exporter.compare.report.load_table import HEADINGS as LOAD_HEADINGS
from exporter.compare.report.load_table import limit_sentences, load_rows
from exporter.compare.report.load_verdicts import grids
from exporter.compare.report.plots import (
    BAR_MARGIN,
    bar,
    course,
    distribution,
    distribution_of_answers,
    style,
)
from exporter.compare.report.wording import method, missing_answers, rows, tally_text
from exporter.compare.sample import Sample
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.measures import DEFINITIONS, Measure
from exporter.compare.statistics.verdict import Verdict

_TEMPLATE = Environment(
    loader=PackageLoader("exporter.compare.report", "."),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("compare.html")

_MEANINGS = {
    Measure.TTFT_TYPICAL: "time until the answer begins, over all pairs of requests",
    Measure.TPOT_TYPICAL: "time for each further token, over all pairs of requests",
    Measure.DURATION_TYPICAL: "from the request to the end of the answer, over all pairs",
    Measure.TTFT_P50: "time until the answer begins; half of the requests wait less",
    Measure.TTFT_P95: "the slow tail: 1 request in 20 waits longer",
    Measure.TPOT_P50: "time for each further token",
    Measure.TPOT_P95: "the slow tail: 1 request in 20 is slower",
    Measure.DURATION_P50: "from the request to the end of the answer",
    Measure.DURATION_P95: "the slow tail: 1 request in 20 takes longer",
    Measure.TOKENS_PER_SECOND: "output speed after the first token",
    Measure.SUCCESS: "requests that got a complete, correct answer",
    Measure.USD_PER_MILLION_TOKENS: "input and output, in the proportions of these prompts",
    Measure.USD_PER_THOUSAND_REQUESTS: "cost of these prompts, for any number of tokens",
    Measure.COLD_START: "time to first token after the model was idle",
}
_SIGNS = {
    Verdict.BETTER: "+",
    Verdict.SAME: "=",
    Verdict.WORSE: "\u2212",
    Verdict.UNDECIDED: "?",
    Verdict.NOT_MEASURED: "\u00b7",
}
_CLASSES = {
    Verdict.BETTER: "better",
    Verdict.SAME: "same",
    Verdict.WORSE: "worse",
    Verdict.UNDECIDED: "undecided",
    Verdict.NOT_MEASURED: "unmeasured",
}


def to_html(report: Report) -> str:
    return _TEMPLATE.render(
        report=report,
        version=__version__,
        verdicts=list(Verdict),
        signs=_SIGNS,
        classes=_CLASSES,
        meanings=_MEANINGS,
        bar_margin=BAR_MARGIN,
        bar=bar,
        headline=whole_headline,
        story=story,
        missing_answers=missing_answers,
        rows=rows,
        margin_text=margin_text,
        tally_text=tally_text,
        method=method(report),
        style=style,
        charts=_charts(report),
        load_headings=LOAD_HEADINGS[1:],
        load_rows=list(load_rows(report)),
        load_sentences=list(limit_sentences(report)),
        grids=list(grids(report)),
        load_charts=_load_charts(report),
        worth=list(worth_sentences(report)),
        changes=list(change_sentences(report)),
        course=Markup(course(report, _first_token, "time to first token")),  # noqa: S704 - ours
    )


def _load_charts(report: Report) -> list[tuple[str, Markup]]:
    drawn = (
        (f"{DEFINITIONS[measure].title} against throughput", latency_by_throughput(report, measure))
        for measure in (Measure.TTFT_P95, Measure.TPOT_P95)
    )
    return [(title, Markup(chart)) for title, chart in drawn if chart]  # noqa: S704 - ours


def _first_token(sample: Sample) -> float | None:
    return sample.time_to_first_token_seconds


def _charts(report: Report) -> list[tuple[str, Markup]]:
    """Return the titles and distributions of the measures that have values."""
    drawn = (
        ("Answers begun within", distribution(report, _first_token, "time to first token")),
        (
            "Answers complete within",
            distribution(report, lambda s: s.request_duration_seconds, "request duration"),
        ),
        (
            "Answers written at up to",
            distribution_of_answers(report, lambda s: s.output_tokens_per_second, "tokens/s"),
        ),
    )
    return [(title, Markup(chart)) for title, chart in drawn if chart]  # noqa: S704 - ours
