"""Reports for people: sentences, tables, and the HTML page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from exporter.compare.report.figures import change_texts, ratio_text, seconds_text
from exporter.compare.report.headline import headline, story
from exporter.compare.report.html import to_html
from exporter.compare.report.json_report import to_json
from exporter.compare.report.markdown import to_markdown
from exporter.compare.report.wording import rows
from exporter.compare.sample import Sample
from exporter.compare.statistics.analysis import analyse
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Rules
from exporter.compare.statistics.verdict import Effect, Verdict
from exporter.compare.subject import Party
from tests.compare.making import BASELINE, CANDIDATE, cold, side, subject

RULES = Rules(draws=999)


def report(*sides: list[Sample]) -> Report:
    return analyse(subject(), [sample for side_ in sides for sample in side_], RULES)


FASTER = report(
    side(BASELINE, 400, usd=0.002),
    side(CANDIDATE, 400, slower=0.5, failing=0.3, usd=0.003),
    cold(BASELINE, [1.0, 1.1, 1.2]),
)


def test_the_story_says_what_is_better_what_is_worse_and_what_is_open() -> None:
    versus = FASTER.versus[0]

    assert headline(FASTER, versus) == (
        "own fails more often than hosted, despite its other advantages"
    )
    worse, better, unsure = re.split(r"(?<=\.) (?=[A-Z])", story(versus))
    assert re.match(r"It fails more often \([23]\d\.\d % instead of 0\.0 %\)", worse)
    assert "costs more (3.00 instead of 2.00 USD)" in worse
    assert better.startswith("But it starts to answer sooner (")
    assert "writes faster (" in better
    assert unsure == "There is not enough data on cold start."


@pytest.mark.parametrize(
    ("sides", "line"),
    [
        ((side(BASELINE, 200), side(CANDIDATE, 200, slower=0.5)), "own beats hosted"),
        ((side(BASELINE, 200), side(CANDIDATE, 200, slower=2)), "own falls behind hosted"),
        ((side(BASELINE, 600), side(CANDIDATE, 600)), "own matches hosted"),
        ((side(BASELINE, 20), side(CANDIDATE, 20)), "There is not enough data to tell own from"),
        (
            (side(BASELINE, 40), side(CANDIDATE, 40, seed=1)),
            "own matches hosted in time per output token and request duration",
        ),
        (
            (side(BASELINE, 200, failing=0.3), side(CANDIDATE, 200, slower=2)),
            "own beats hosted in some ways and falls behind in others",
        ),
        ((), "There is not enough data to tell own from hosted"),
    ],
)
def test_the_headline_follows_the_verdicts(sides: tuple[list[Sample], ...], line: str) -> None:
    found = report(*sides)
    assert headline(found, found.versus[0]).startswith(line)


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.5, "-50 %"),
        (0.987, "-1.3 %"),
        (1.0, "+0.0 %"),
        (1.25, "+25 %"),
        (2.5, "2.5 times"),
        (1500, "1,500 times"),
    ],
)
def test_ratios_are_shown_as_changes(ratio: float, text: str) -> None:
    assert ratio_text(ratio) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.01234, "12.3 ms"), (0.5, "500 ms"), (0.9997, "1 s"), (2.345, "2.35 s"), (150, "2m30s")],
)
def test_times_have_three_figures(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_json_has_every_finding_and_nothing_that_json_lacks() -> None:
    document = json.loads(json.dumps(to_json(FASTER), allow_nan=False))

    findings = document["candidates"][0]["findings"]
    assert [finding["measure"] for finding in findings] == [
        finding.measure.value for finding in FASTER.versus[0].findings
    ]
    first = findings[0]
    assert first["effect"] == "ratio"
    assert first["low"] < first["value"] < first["high"] < 1
    assert document["targets"][1]["failures"]["overloaded"] > 20


def test_markdown_is_one_table_row_for_each_measure() -> None:
    text = to_markdown(FASTER)

    assert f"| Measure | {BASELINE} | {CANDIDATE} | Change | Interval | Verdict |" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(rows(FASTER.versus[0]))
    assert {line.count("|") for line in table} == {7}


HOSTILE = "<img src=x onerror=alert(1)>|`*"


def renamed(name: str) -> Report:
    """Return the same report with a candidate name that contains HTML and Markdown syntax."""
    samples = [
        replace(s, target=name if s.target == CANDIDATE else s.target) for s in FASTER.samples
    ]
    who = replace(subject(), candidates=(Party(name=name, model=name, endpoint=name),))
    return analyse(who, samples, RULES)


class Page(HTMLParser):
    """Collects the elements and attributes of a page, and checks that every element is closed."""

    VOID = frozenset({"meta", "link", "br", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_is_well_formed() -> None:
    text = to_html(FASTER)
    page = Page(text)

    assert page.open == []
    assert not {"script", "img", "link", "iframe"} & set(page.elements)
    assert not {"src", "href", "onload", "onclick"} & page.attributes
    assert "url(" not in text
    assert "@import" not in text
    assert (
        page.elements.count("svg") == 4 + 13
    )  # charts, and a bar for each measure with an interval
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(drawing)  # noqa: S314 - our own


def test_names_cannot_break_out_of_page_or_table() -> None:
    found = renamed(HOSTILE)

    assert "img" not in Page(to_html(found)).elements
    rows_ = [line for line in to_markdown(found).splitlines() if line.startswith("| Measure")]
    assert rows_[0].replace(r"\|", "").count("|") == 7


def test_failures_are_drawn_and_described() -> None:
    text = to_html(FASTER)

    assert re.search(r'class="stroke s1" d="M\d', text)
    assert "failures lower the success ratio and have no times" in text


def test_the_curve_of_a_side_that_fails_ends_below_100_percent() -> None:
    found = report(side(BASELINE, 200), side(CANDIDATE, 200, failing=0.5))
    chart = re.search(r"Answers begun within</figcaption>(.*?)</figure>", to_html(found), re.DOTALL)
    assert chart is not None
    tops = [
        min(float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", line))
        for line in re.findall(r'class="line s\d" d="([^"]*)"', chart[1])
    ]
    grid = [float(y) for y in re.findall(r'class="grid" d="M\d+ ([\d.]+)', chart[1])]
    bottom, top = max(grid), min(grid)
    reached = [(bottom - y) / (bottom - top) for y in tops]
    assert reached == pytest.approx([0.995, 0.995 * found.tallies[1].success_ratio], abs=0.01)


def test_many_failures_are_drawn_over_the_whole_time() -> None:
    samples = [replace(s, failure="overloaded") for s in side(BASELINE, 600)]
    text = to_html(report(samples, side(CANDIDATE, 40)))

    strokes = re.search(r'class="stroke s0" d="([^"]*)"', text)
    assert strokes is not None
    places = [float(x) for x in re.findall(r"M([\d.]+) ", strokes[1])]
    assert len(places) <= 500
    assert max(places) > 880  # of a width of 900


def test_a_report_without_samples_is_still_a_page() -> None:
    assert "not enough data" in to_html(report())


@pytest.mark.parametrize("count", [0, 20, 40, 100, 600])
@pytest.mark.parametrize("slower", [0.5, 0.93, 1.0, 1.08, 2.0])
def test_headline_story_and_table_say_the_same(count: int, slower: float) -> None:
    found = report(side(BASELINE, count), side(CANDIDATE, count, slower=slower))
    versus = found.versus[0]
    verdicts = set(found.verdicts())
    line, words = headline(found, versus), story(versus)

    assert ("beats" in line) == (Verdict.BETTER in verdicts)
    assert ("behind" in line) == (Verdict.WORSE in verdicts)
    assert ("There is not enough data" in words) == (Verdict.UNDECIDED in verdicts)
    if line.startswith("There is not enough data"):
        assert verdicts <= {Verdict.UNDECIDED, Verdict.NOT_MEASURED}
    if "matches" in line:
        assert ("not enough data on the rest" in line) == ("There is not enough data" in words)
        assert Verdict.SAME in verdicts
    assert ("Not measured: " in words) == (Verdict.NOT_MEASURED in verdicts)


@pytest.mark.parametrize(
    ("low", "value", "high", "texts"),
    [
        (0.5, 0.6, 0.7, ("-40 %", "-50 to -30 %")),
        (0.95, 1.05, 1.15, ("+5.0 %", "-5.0 to +15 %")),
        (0.8, 1.5, 2.4, ("1.5 times", "0.8 to 2.4 times")),
        (2.0, 3.0, 4.0, ("3 times", "2 to 4 times")),
    ],
)
def test_an_interval_has_percentages_or_factors_and_never_both(
    low: float, value: float, high: float, texts: tuple[str, str]
) -> None:
    finding = replace(FASTER.versus[0].findings[0], effect=Effect(value, low, high, 0.5))
    assert change_texts(finding) == texts


def test_a_candidate_that_might_fail_more_often_does_not_beat_the_baseline() -> None:
    outage = [
        replace(sample, failure="overloaded") if sample.block >= 70 else sample
        for sample in side(CANDIDATE, 200, slower=0.5)
    ]
    found = report(side(BASELINE, 200), outage)
    line = "own has advantages over hosted, but might fail more often"
    assert headline(found, found.versus[0]) == line
