"""What is remembered of each plan, and the page that shows it."""

from __future__ import annotations

import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from exporter.coldness import Coldness, ColdSignal, Waiting
from exporter.config.plan import Plan, PlanChange, Timeouts
from exporter.config.target import Target
from exporter.kinds import Chat
from exporter.observation import Observation, observed
from exporter.result import Failure, FailureReason, ProbeResult, Timeline, Usage
from exporter.site.sparkline import WIDTH, Sparkline
from exporter.site.status import HISTORY_LENGTH, Sample, Status
from exporter.site.status_page import State, View, render_page
from tests.observing import newly

MS = 1_000_000
NOW = 1_900_000_000.0


def plan(name: str = "a", probe: str = "short", **target: object) -> Plan:
    fields = {"name": name, "provider": "openai", "model": "m", **target}
    return Plan(
        target=Target.model_validate(fields),
        probe_name=probe,
        probe=Chat(prompt="hi"),
        interval_seconds=30,
        timeouts=Timeouts(total=5),
        fresh_connection=False,
    )


def success(of: Plan, first_token_ms: int = 312, finished_at: float = NOW) -> Observation:
    """Eleven tokens, 20 ms apart."""
    first, last = first_token_ms * MS, (first_token_ms + 200) * MS
    result = ProbeResult(
        target=of.target.name,
        probe=of.probe_name,
        finished_at=finished_at,
        timeline=Timeline(start=0, sent=0, first_token=first, last_token=last, end=last),
        usage=Usage(input=5, output=11),
    )
    return observed(of, result)


def failure(of: Plan, detail: str = "HTTP 429: slow down") -> Observation:
    result = ProbeResult(
        target=of.target.name,
        probe=of.probe_name,
        finished_at=NOW,
        timeline=Timeline(start=0, sent=0),
        failure=Failure(FailureReason.RATE_LIMITED, detail, 429),
    )
    return observed(of, result)


def status_of(*plans: Plan) -> Status:
    status = Status()
    status.apply(newly(plans))
    return status


def test_a_plan_that_was_never_probed_has_a_row_without_a_result() -> None:
    (row,) = status_of(plan()).rows()
    assert (row.last, row.history) == (None, ())


def test_the_latest_result_is_kept_whole_and_earlier_ones_as_samples() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(failure(asked))
    status.observe(success(asked, finished_at=NOW + 30))
    (row,) = status.rows()
    assert row.last == success(asked, finished_at=NOW + 30)
    assert row.history == (
        Sample(NOW, None, None, FailureReason.RATE_LIMITED),
        Sample(NOW + 30, 0.312, 50, None),
    )


def test_history_is_bounded_and_keeps_the_newest() -> None:
    asked = plan()
    status = status_of(asked)
    for number in range(HISTORY_LENGTH + 5):
        status.observe(success(asked, finished_at=NOW + number))
    (row,) = status.rows()
    finished = [sample.finished_at for sample in row.history]
    assert finished == [NOW + number for number in range(5, HISTORY_LENGTH + 5)]


def test_rows_follow_the_order_of_the_configuration() -> None:
    before = [plan("b"), plan("a", "long"), plan("a", "short")]
    status = status_of(*before)
    status.apply(PlanChange.between(before, [plan("c"), plan("a", "short"), plan("b")]))
    assert [row.plan.key for row in status.rows()] == [
        ("c", "short"),
        ("a", "short"),
        ("b", "short"),
    ]


def test_a_result_of_a_plan_that_has_gone_is_passed_over() -> None:
    status = status_of(plan("a"))
    status.apply(PlanChange.between([plan("a")], []))
    status.observe(success(plan("a")))
    assert status.rows() == ()


def test_a_reload_keeps_the_past_of_a_plan_that_asks_the_same_model() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(success(asked))
    slower = replace(asked, interval_seconds=300)
    status.apply(PlanChange.between([asked], [slower]))
    (row,) = status.rows()
    assert (row.plan, row.last) == (slower, success(asked))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"model": "other"}, id="model"),
        pytest.param({"base_url": "https://other.example/v1"}, id="endpoint"),
    ],
)
def test_a_reload_forgets_the_past_of_another_model(change: dict[str, str]) -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(success(asked))
    status.apply(PlanChange.between([asked], [plan(**change)]))
    (row,) = status.rows()
    assert (row.last, row.history) == (None, ())


def test_times_that_are_not_certain_are_not_shown() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(replace(success(asked), certain=False))
    (row,) = status.rows()
    assert row.history == (Sample(NOW, None, None, None),)
    cells = page(status).rows[1]
    assert cells[0] == "ok"
    assert "312 ms" not in "".join(cells)


def test_a_probe_that_the_exporter_interrupted_leaves_the_row_as_it_was() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(success(asked))
    before = status.rows()
    late = failure(asked)
    status.observe(replace(late, certain=False, result=replace(late.result, interrupted=True)))
    assert status.rows() == before


def test_rows_handed_out_do_not_change_any_more() -> None:
    asked = plan()
    status = status_of(asked)
    before = status.rows()
    status.observe(success(asked))
    assert before[0].last is None


def samples(*first_token_seconds: float | None) -> list[Sample]:
    """``None`` is a failed probe."""
    return [
        Sample(NOW, seconds, None, None if seconds else FailureReason.TIMEOUT_TOTAL)
        for seconds in first_token_seconds
    ]


def test_a_sparkline_ends_at_the_right_edge_and_is_interrupted_by_failures() -> None:
    drawn = Sparkline.of(samples(1, 2, None, 2))
    assert drawn is not None
    assert drawn.line == f"M{WIDTH - 7} 11h0L{WIDTH - 5} 2M{WIDTH - 1} 2h0"
    assert drawn.failures == f"M{WIDTH - 3} 0v22"


def test_a_sparkline_says_in_words_what_it_shows() -> None:
    drawn = Sparkline.of(samples(0.2, 0.4, None, 1.25))
    assert drawn is not None
    assert drawn.description == (
        "last 4 probes: 1 failed; time to first token from 0.2 s to 1.25 s, median 0.4 s"
    )


def test_a_sparkline_of_failures_alone_has_no_line() -> None:
    drawn = Sparkline.of(samples(None, None))
    assert drawn is not None
    assert drawn.line == ""
    assert drawn.description == "last 2 probes: 2 failed"


def test_without_results_there_is_no_sparkline() -> None:
    assert Sparkline.of([]) is None


class _Cells(HTMLParser):
    """The texts of a page's table cells, row by row, and its other texts."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.outside = ""
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
        self._in_cell = tag == "td" or (self._in_cell and tag != "tr")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "table"}:
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data
        else:
            self.outside += data


ALL = View()


def page(status: Status, view: View = ALL) -> _Cells:
    cells = _Cells()
    cells.feed(render_page(status.rows(), 7260.0, view).html)
    return cells


def test_the_page_shows_what_was_measured() -> None:
    asked = plan(labels={"team": "search"})
    status = status_of(asked)
    status.observe(success(asked, finished_at=time.time() - 12.5))
    shown = page(status)
    state, target, probe, ttft, spark, speed, duration, ago, reason = shown.rows[1]
    assert (state, target, probe) == ("ok", "ateam=searchopenai / m", "short")
    assert (ttft, speed, duration, ago, reason) == ("312 ms", "50.0", "512 ms", "12 s ago", "")
    assert spark.startswith("last 1 probes: 0 failed")
    assert "up 2 h 1 min" in shown.outside


def test_the_page_says_why_a_probe_failed_and_shows_no_times_of_it() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(success(asked))
    status.observe(failure(asked))
    cells = page(status).rows[1]
    assert cells[0] == "failing"
    assert [cells[3], cells[5], cells[6]] == ["", "", ""]
    assert cells[-1] == "rate_limited HTTP 429: slow down"


def test_the_page_marks_a_row_without_recent_news_as_late() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(success(asked, finished_at=time.time() - 91))
    assert 'class="number late"' in render_page(status.rows(), 0, ALL).html
    status.observe(success(asked, finished_at=time.time() - 80))
    assert 'class="number late"' not in render_page(status.rows(), 0, ALL).html


def test_the_page_shows_rows_of_one_state_if_asked_to() -> None:
    plans = [plan("good"), plan("bad"), plan("cold"), plan("new")]
    status = status_of(*plans)
    status.observe(success(plans[0]))
    status.observe(failure(plans[1]))
    status.waiting("cold", Waiting(time.time(), "Loading model"))
    for state, name in zip(State, ("good", "bad", "cold", "new"), strict=True):
        shown = page(status, View(show=state)).rows[1:]
        assert [row[1] for row in shown] == [f"{name}openai / m"]


def test_the_page_tells_what_a_target_is_being_waited_for() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(failure(asked))
    status.waiting("a", Waiting(time.time() - 12, "Loading model"))
    cells = page(status).rows[1]
    assert (cells[0], cells[-1]) == ("starting", "not ready for 12 s: Loading model")
    status.waiting("a", Waiting(time.time() - 125, "left alone", ready=True))
    status.observe(success(asked, finished_at=time.time() - 120))
    cells = page(status).rows[1]
    assert (cells[0], cells[-1]) == ("ok", "left alone for 2 min")
    assert 'class="number late"' not in render_page(status.rows(), 0, ALL).html


def test_a_target_that_is_not_ready_for_too_long_is_failing() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(failure(asked))
    long_ago = time.time() - asked.target.ready_limit_seconds - 1
    status.waiting("a", Waiting(long_ago, "Loading model"))
    cells = page(status).rows[1]
    assert (cells[0], cells[-1]) == ("failing", "rate_limited HTTP 429: slow down")


@pytest.mark.parametrize(
    ("signal", "shown"),
    [(ColdSignal.SLOW, "312 mscold 4.50 s"), (ColdSignal.BOOT, "312 msboot 4.50 s")],
)
def test_the_page_remembers_the_latest_cold_start(signal: ColdSignal, shown: str) -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(replace(success(asked), cold=Coldness(signal, 3, 4.5, 4.2)))
    status.observe(replace(success(asked), cold=Coldness(ColdSignal.NONE, 1, 0.3, 0.0)))
    status.observe(success(asked))
    assert page(status).rows[1][3] == shown


def test_cold_answers_are_strokes_and_do_not_dwarf_the_warm_ones() -> None:
    warm, cold = Sample(NOW, 0.3, 50, None), Sample(NOW, 9.0, 50, None, cold=True)
    unready = Sample(NOW, None, None, FailureReason.NOT_READY)
    drawn = Sparkline.of([warm, unready, cold, warm])
    assert drawn is not None
    assert drawn.colds.count("M") == 2
    assert drawn.failures == ""
    assert drawn.line == "M113 2h0M119 2h0", "interrupted, and of full height"
    assert "0 failed, 2 cold or not ready" in drawn.description


def test_the_page_without_targets_says_what_to_do() -> None:
    shown = page(status_of())
    assert shown.rows == []
    assert "No targets are configured" in shown.outside


def test_what_a_provider_says_cannot_become_markup() -> None:
    asked = plan(labels={"team": '"><img src=x>'})
    status = status_of(asked)
    status.observe(failure(asked, detail="<script>alert(1)</script>"))
    html = render_page(status.rows(), 0, ALL).html
    assert "<script" not in html
    assert "<img" not in html


def test_the_policy_lets_only_the_pages_own_style_in() -> None:
    first, second = (render_page((), 0, ALL) for _ in range(2))
    nonce = first.html.partition('<style nonce="')[2].partition('"')[0]
    assert f"style-src 'nonce-{nonce}'" in first.security_policy
    assert "default-src 'none'" in first.security_policy
    assert nonce not in second.html


@pytest.mark.parametrize(
    ("query", "view", "url"),
    [
        ({}, View(), "/"),
        ({"show": "failing"}, View(show=State.FAILING), "/?show=failing"),
        ({"refresh": "off"}, View(refresh=False), "/?refresh=off"),
        (
            {"show": "ok", "refresh": "off"},
            View(show=State.OK, refresh=False),
            "/?show=ok&refresh=off",
        ),
        ({"show": "<nonsense>"}, View(), "/"),
    ],
)
def test_a_view_is_its_url(query: dict[str, str], view: View, url: str) -> None:
    assert View.parse(query) == view
    assert view.url == url


def test_the_page_refreshes_itself_unless_told_not_to() -> None:
    assert 'http-equiv="refresh"' in render_page((), 0, View()).html
    assert 'http-equiv="refresh"' not in render_page((), 0, View(refresh=False)).html
