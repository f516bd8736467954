"""The stored history of each plan, and the page that shows it."""

from __future__ import annotations

import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from exporter.coldness import Coldness, ColdSignal, Waiting
from exporter.config.plan import Plan, PlanChange, Timeouts
from exporter.config.target import Target
from exporter.kinds import Chat
from exporter.observation import Observation, Occasion, observed
from exporter.result import Failure, FailureReason, ProbeResult, Timeline, Usage
from exporter.site.backend import Condition, Spent
from exporter.site.judgement import State
from exporter.site.pages.page import Page
from exporter.site.pages.sparkline import WIDTH, Sparkline
from exporter.site.pages.status_page import TableView, render_page
from exporter.site.status import HISTORY_LENGTH, PastProbe, Status
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
    """Return a success with eleven tokens, 20 ms apart."""
    first, last = first_token_ms * MS, (first_token_ms + 200) * MS
    result = ProbeResult(
        target=of.target.name,
        probe=of.probe_name,
        finished_at=finished_at,
        timeline=Timeline(start=0, sent=0, first_token=first, last_token=last, end=last),
        usage=Usage(input=5, output=11),
    )
    return observed(of, result)


def failure(
    of: Plan,
    detail: str = "HTTP 429: slow down",
    reason: FailureReason = FailureReason.RATE_LIMITED,
) -> Observation:
    result = ProbeResult(
        target=of.target.name,
        probe=of.probe_name,
        finished_at=NOW,
        timeline=Timeline(start=0, sent=0),
        failure=Failure(reason, detail, 429),
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
        PastProbe(NOW, None, None, FailureReason.RATE_LIMITED),
        PastProbe(NOW + 30, 0.312, 50, None),
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
    assert row.history == (PastProbe(NOW, None, None, None),)
    (cells,) = page(status).rows
    assert cells["state"] == "● ok"
    assert "312 ms" not in "".join(cells.values())
    assert cells["Time"] == "uncertain"


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


def samples(*first_token_seconds: float | None) -> list[PastProbe]:
    """``None`` is a failed probe."""
    return [
        PastProbe(NOW, seconds, None, None if seconds else FailureReason.TIMEOUT_TOTAL)
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
        "last 4 probes: 1 failed; times from 0.2 s to 1.25 s, median 0.4 s"
    )


def test_a_sparkline_of_failures_alone_has_no_line() -> None:
    drawn = Sparkline.of(samples(None, None))
    assert drawn is not None
    assert drawn.line == ""
    assert drawn.description == "last 2 probes: 2 failed"


def test_without_results_there_is_no_sparkline() -> None:
    assert Sparkline.of([]) is None


class _Cells(HTMLParser):
    """The texts of a page's table cells by name, row by row, and its other texts."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, str]] = []
        self.outside = ""
        self._cell = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "tr":
            self._cell = ""
            if (given.get("id") or "").startswith("row-"):
                self.rows.append({})
        if tag in {"td", "th"} and self.rows:
            self._cell = given.get("data-name") or (given.get("class") or "").partition(" ")[0]
            self.rows[-1][self._cell] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"} and self._cell:
            self.rows[-1][self._cell] = " ".join(self.rows[-1][self._cell].split())
        if tag in {"td", "th", "table"}:
            self._cell = ""

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][self._cell] += data
        else:
            self.outside += data


ALL = TableView()


def rendered(status: Status, view: TableView = ALL, condition: Condition | None = None) -> Page:
    return render_page(status.rows(), condition or Condition(), view, time.time())


def page(status: Status, view: TableView = ALL, condition: Condition | None = None) -> _Cells:
    cells = _Cells()
    cells.feed(rendered(status, view, condition).html)
    return cells


def test_the_page_shows_what_was_measured() -> None:
    asked = plan(labels={"team": "search"})
    status = status_of(asked)
    status.observe(success(asked, finished_at=time.time() - 12.5))
    shown = page(status, condition=Condition(started_at=time.time() - 7260))
    (row,) = shown.rows
    assert row["state"] == "● ok"
    assert row["name"] == "a team=search openai / m · short"
    assert (row["Time"], row["Tokens/s"]) == ("312 ms", "50.0")
    assert row["p50 / p95"] == "312 ms / 312 ms24 h 312 ms / 312 ms"
    assert row["Success"] == "100 %24 h 100 %"
    assert row["Probed"].startswith("12 s ago")
    assert row["Last probes"].startswith("312 mslast 1 probes: 0 failed")
    assert "up 2 h 1 min" in shown.outside


def test_the_page_says_why_a_probe_failed_and_shows_no_times_of_it() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(success(asked))
    status.observe(failure(asked, "HTTP 500: oh", FailureReason.SERVER_ERROR))
    (row,) = page(status).rows
    assert row["state"] == "✕ failing"
    assert row["Time"] == row.get("Tokens/s", "") == ""
    assert row["name"].endswith("short server_error: HTTP 500: oh")


def test_the_page_marks_a_row_without_recent_news_as_late() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(success(asked, finished_at=time.time() - 91))
    assert 'class="number late"' in rendered(status).html
    status.observe(success(asked, finished_at=time.time() - 80))
    assert 'class="number late"' not in rendered(status).html


def test_the_page_shows_rows_of_one_state_if_asked_to() -> None:
    names = {
        State.OK: "good",
        State.FAILING: "bad",
        State.THROTTLED: "busy",
        State.STARTING: "cold",
        State.PENDING: "new",
    }
    plans = {state: plan(name) for state, name in names.items()}
    status = status_of(*plans.values())
    status.observe(success(plans[State.OK]))
    status.observe(failure(plans[State.FAILING], reason=FailureReason.AUTH))
    status.observe(failure(plans[State.THROTTLED]))
    status.waiting("cold", Waiting(time.time(), "Loading model"))
    for state, name in names.items():
        shown = page(status, TableView(show=state)).rows
        assert [row["name"].split()[0] for row in shown] == [name]
        assert state.label in shown[0]["state"]


def test_the_page_tells_what_a_target_is_being_waited_for() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(failure(asked))
    status.waiting("a", Waiting(time.time() - 12, "Loading model"))
    (row,) = page(status).rows
    assert row["state"] == "◌ not ready"
    assert row["name"].endswith("not ready for 12 s: Loading model")
    status.waiting("a", Waiting(time.time() - 125, "left alone", ready=True))
    status.observe(success(asked, finished_at=time.time() - 120))
    (row,) = page(status).rows
    assert row["state"] == "● ok"
    assert row["name"].endswith("left alone for 2 min")
    assert 'class="number late"' not in rendered(status).html


def test_a_target_that_is_not_ready_for_too_long_is_failing() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(failure(asked))
    long_ago = time.time() - asked.target.ready_limit_seconds - 1
    status.waiting("a", Waiting(long_ago, "Loading model"))
    (row,) = page(status).rows
    assert row["state"] == "✕ failing"
    assert row["name"].endswith("not ready for 10 min: Loading model")


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
    assert page(status).rows[0]["Time"] == shown


def test_cold_answers_are_strokes_and_do_not_dwarf_the_warm_ones() -> None:
    warm, cold = PastProbe(NOW, 0.3, 50, None), PastProbe(NOW, 9.0, 50, None, cold=True)
    unready = PastProbe(NOW, None, None, FailureReason.NOT_READY)
    drawn = Sparkline.of([warm, unready, cold, warm])
    assert drawn is not None
    assert drawn.colds.count("M") == 2
    assert drawn.failures == ""
    assert drawn.line == "M113 2h0M119 2h0", "interrupted, and of full height"
    assert "0 failed, 2 cold or not ready" in drawn.description


def test_a_sparkline_has_a_scale_and_shows_the_objective_where_it_is_missed() -> None:
    drawn = Sparkline.of(samples(0.5, 2.0), threshold_seconds=1.0)
    assert drawn is not None
    assert (drawn.top, drawn.limit) == ("2.00 s", 11)
    kept = Sparkline.of(samples(0.5, 0.6), threshold_seconds=1.0)
    assert kept is not None
    assert kept.limit is None


def test_the_page_searches_sorts_and_groups() -> None:
    plans = [plan("a", labels={"team": "x"}), plan("b", labels={"team": "y"}), plan("c")]
    status = status_of(*plans)
    for each, milliseconds in zip(plans[:2], (100, 900), strict=True):
        status.observe(success(each, milliseconds))

    def names(**view: str) -> list[str]:
        return [row["name"].split()[0] for row in page(status, TableView.parse(view)).rows]

    assert names(q="team=Y") == ["b"]
    assert names(q="openai yet probed") == ["c"]
    assert names(sort="time") == ["b", "a", "c"]
    assert names(sort="-time") == ["a", "b", "c"], "what is not known stays last"
    assert names(sort="-name") == ["c", "b", "a"]
    assert names(group="team") == ["c", "a", "b"]
    assert "No matching targets" in page(status, TableView(query="nobody")).outside


def test_the_page_shows_spend_configuration_and_who_probes() -> None:
    own = Condition(
        spent=Spent(1.25, 5.0), config_error="config.yaml:3: oh", stands_by=True, leader="other-1"
    )
    shown = " ".join(page(status_of(plan()), condition=own).outside.split())
    assert "$1.25 of $5.00 a day" in shown
    assert "not loaded" in shown
    assert "standby other-1 probes" in shown


def test_a_confirming_probe_is_kept_to_be_looked_at_and_counts_nowhere() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(replace(success(asked), occasion=Occasion.CONFIRMING))
    (row,) = status.rows()
    assert (row.last, row.history, row.hour.probes) == (None, (), 0)
    assert [kept.confirming for kept in row.kept] == [True]


def test_the_page_without_targets_says_what_to_do() -> None:
    shown = page(status_of())
    assert shown.rows == []
    assert "No targets are configured" in shown.outside


def test_what_a_provider_says_cannot_become_markup() -> None:
    asked = plan(labels={"team": '"><img src=x>'})
    status = status_of(asked)
    status.observe(failure(asked, detail="<script>alert(1)</script>"))
    html = rendered(status).html
    assert "<script>" not in html
    assert "<img" not in html


def test_the_policy_lets_only_the_pages_own_style_in() -> None:
    first, second = (rendered(status_of()) for _ in range(2))
    nonce = first.html.partition('<style nonce="')[2].partition('"')[0]
    assert f"style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'" in first.security_policy
    assert first.html.count("<script") == first.html.count(f'<script nonce="{nonce}">') == 1
    assert "default-src 'none'" in first.security_policy
    assert nonce not in second.html


@pytest.mark.parametrize(
    ("query", "view", "url"),
    [
        ({}, TableView(), "/"),
        ({"show": "failing"}, TableView(show=State.FAILING), "/?show=failing"),
        ({"refresh": "off"}, TableView(refresh=False), "/?refresh=off"),
        (
            {"show": "ok", "refresh": "off"},
            TableView(show=State.OK, refresh=False),
            "/?show=ok&refresh=off",
        ),
        ({"show": "<nonsense>", "sort": "<nonsense>"}, TableView(), "/"),
        (
            {"q": "a b", "sort": "-p95", "group": "team"},
            TableView(query="a b", sort="-p95", group="team"),
            "/?q=a+b&sort=-p95&group=team",
        ),
    ],
)
def test_a_view_is_its_url(query: dict[str, str], view: TableView, url: str) -> None:
    assert TableView.parse(query) == view
    assert view.url == url


def test_the_page_refreshes_itself_unless_told_not_to() -> None:
    assert 'http-equiv="refresh"' in rendered(status_of()).html
    assert 'http-equiv="refresh"' not in rendered(status_of(), TableView(refresh=False)).html
