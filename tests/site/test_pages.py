"""The pages of targets, problems, and the configuration."""

from __future__ import annotations

import gc
import re
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from exporter.cluster.sharding import Shard
from exporter.cluster.source import FileSource
from exporter.coldness import Waiting
from exporter.config.loading import config_file
from exporter.config.root import Config
from exporter.kinds import Kind, Models
from exporter.observation import Observation
from exporter.result import ConnectionPhases, FailureReason, Timeline
from exporter.settings.redaction import remember
from exporter.site.backend import Condition, Spent
from exporter.site.details import KEPT_FAILURES, KEPT_SUCCESSES, ProbeDetails
from exporter.site.pages.config_page import config_text
from exporter.site.pages.problems_page import render_problems
from exporter.site.pages.status_page import TableView, render_page
from exporter.site.pages.target_page import render_target
from exporter.site.pages.timeline import WIDTH, Drawing, Scale
from exporter.site.status import Status
from exporter.site.words import percent, seconds, usd
from tests.observing import newly
from tests.site.test_status import MS, failure, plan, status_of, success

EXAMPLE = Path(__file__).parents[2] / "docs" / "example-config.yaml"


def drawn_out(of: Observation, *arrivals_ms: int, **marks_ms: int) -> Observation:
    """Return the same observation with these timestamps and arrivals of output."""
    arrivals = tuple(at * MS for at in arrivals_ms)
    first, last = (arrivals[0], arrivals[-1]) if arrivals else (None, None)
    marks = {name: at * MS for name, at in marks_ms.items()}
    line = Timeline(start=0, first_token=first, last_token=last, arrivals=arrivals)
    line = replace(line, **marks)  # type: ignore[arg-type]
    return replace(of, result=replace(of.result, timeline=line))


def shown(status: Status, condition: Condition | None = None, *, can_probe: bool = True) -> str:
    own = condition or Condition()
    return render_target(status.rows(), own, 0, time.time(), can_probe=can_probe).html


def text(html: str) -> str:
    main = html[html.index("<main") : html.index("</main>")]
    return " ".join(re.sub(r"<[^>]*>", " ", main).split())


def legend(status: Status) -> list[str]:
    """Return what the legend of a page's timelines explains."""
    (keys,) = re.findall(r'<ul class="keys".*?</ul>', shown(status), re.DOTALL)
    return [re.sub(r"<[^>]*>", "", key) for key in re.findall(r"<li>.*?</li>", keys)]


def test_a_timeline_has_every_phase_where_it_was() -> None:
    found = drawn_out(success(plan()), 300, 320, 700, 720, 740, sent=100, end=800, over=900)
    phases = ConnectionPhases(0.02, 0.03, 0.04)
    kept = ProbeDetails.of(replace(found, result=replace(found.result, connection=phases)))
    drawn = Drawing.of(kept, Scale.of([kept]))
    places = {bar.kind: (round(bar.x), round(bar.x + bar.width)) for bar in drawn.bars}
    assert places == {
        "dns": (0, 25),
        "tcp": (25, 62),
        "tls": (62, 112),
        "send": (112, 125),
        "wait": (125, 375),
        "stream": (375, 925),
        "stall": (400, 875),
        "rest": (925, 1000),
    }
    assert drawn.arrivals.count("M") == 5
    assert (drawn.end, drawn.given_up) == (WIDTH, None)
    assert drawn.description.startswith("succeeded, dns 20 ms, tcp 30 ms, tls 40 ms, wait 200 ms")
    assert drawn.description.endswith("5 chunks")


def test_what_never_came_is_waited_for_until_it_was_given_up() -> None:
    kept = ProbeDetails.of(drawn_out(failure(plan()), sent=100, over=30_000))
    drawn = Drawing.of(kept, Scale.of([kept]))
    assert [bar.kind for bar in drawn.bars] == ["send", "wait"]
    assert (drawn.end, drawn.given_up) == (None, WIDTH)


def test_a_late_reader_makes_no_stall() -> None:
    found = drawn_out(success(plan()), 300, 320, 700, 720, 740, sent=0, end=800, uncertainty=350)
    kept = ProbeDetails.of(found)
    drawn = Drawing.of(kept, Scale.of([kept]))
    assert "stall" not in {bar.kind for bar in drawn.bars}
    assert len(drawn.doubt) == 2


def test_the_legend_explains_only_what_is_drawn() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(drawn_out(failure(asked), sent=100, over=30_000))
    assert legend(status) == ["waiting for the first token", "failed"]
    status.observe(drawn_out(success(asked), 300, 320, sent=100, end=320))
    drawn = ["waiting for the first token", "answer; one mark per chunk", "end", "failed"]
    assert legend(status) == drawn
    status.observe(drawn_out(success(asked), 300, 320, sent=100, end=320, uncertainty=90))
    assert legend(status) == [*drawn[:2], "uncertainty", *drawn[2:]]


def test_the_chart_shows_the_objective_for_the_time_that_it_draws() -> None:
    limits = {
        "time_to_first_token": {"threshold": "20s", "ratio": 0.9},
        "request_duration": {"threshold": "40s", "ratio": 0.9},
    }
    chat = plan(slo=limits)
    listing = replace(chat, probe=Models(kind=Kind.MODELS))
    for asked, first_token, top, drawn in (
        (chat, 300 * MS, "20.00 s", "time to first token; dashed: objective"),
        (listing, None, "40.00 s", "total time; dashed: objective"),
    ):
        status = status_of(asked)
        for _ in range(2):
            line = Timeline(start=0, sent=0, first_token=first_token, end=900 * MS)
            answered = success(asked)
            status.observe(replace(answered, result=replace(answered.result, timeline=line)))
        assert f" {top} " in text(shown(status))
        assert drawn in text(shown(status))


@pytest.mark.parametrize("longest_ms", [1, 3, 17, 420, 999, 1_000, 31_000, 600_000])
def test_the_scale_has_few_round_marks(longest_ms: int) -> None:
    marks = Scale(longest_ms * 1000).marks
    assert 3 <= len(marks) <= 6
    assert marks[0].label == "0"
    assert all(0 <= mark.x <= WIDTH for mark in marks)


def test_failures_are_kept_longer_than_successes() -> None:
    asked = plan()
    status = status_of(asked)
    for number in range(50):
        status.observe(failure(asked, f"number {number}"))
        status.observe(success(asked))
    (row,) = status.rows()
    assert (len(row.failures), len(row.successes)) == (KEPT_FAILURES, KEPT_SUCCESSES)
    assert "number 49" in shown(status)
    assert "number 33" not in shown(status)


def test_the_same_failure_is_listed_once() -> None:
    asked = plan()
    status = status_of(asked)
    for message in ("reset", "other", "reset", "reset"):
        status.observe(failure(asked, message))
    html = shown(status)
    assert html.count("<p>reset</p>") == html.count("<p>other</p>") == 1
    assert "2 earlier, the first" in text(html)


def test_a_failure_shows_all_that_is_known_of_it() -> None:
    asked = plan()
    status = status_of(asked)
    found = failure(asked, "server_error: oh", FailureReason.SERVER_ERROR)
    result = replace(found.result, request_id="req_7", status=500, body="<html>\nBad day</html>")
    status.observe(replace(found, result=result))
    html = shown(status)
    assert "server_error: server_error" not in html
    assert "HTTP 500" in html
    assert "<code>req_7</code>" in html
    assert "&lt;html&gt;\nBad day&lt;/html&gt;</pre>" in html
    assert "InferenceTargetDown.md" in html


def test_answers_to_own_data_are_not_shown(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "what of Mr. Jones?"}\n')
    probe = Config.model_validate({"probes": {"own": {"prompts_file": str(prompts)}}}).probes["own"]
    asked = replace(plan(), probe=probe)
    status = status_of(asked)
    found = failure(asked, "no", FailureReason.WRONG_ANSWER)
    status.observe(replace(found, result=replace(found.result, answer="Mr. Jones", body="Jones")))
    assert "Jones" not in shown(status)


def test_a_target_has_its_links_its_spend_and_its_button() -> None:
    asked = plan("a/b c", labels={"team": "x"})
    config = Config.model_validate({"web": {"grafana_url": "https://grafana.example/"}})
    own = Condition(config=config, spent=Spent(2, None, {"a/b c": 1.5}, {"a/b c": 3}))
    status = status_of(asked)
    html = shown(status, own)
    assert "https://grafana.example/d/inference-target?var-target=a%2Fb%20c" in html
    assert "$1.50 spent today of $3.00" in text(html)
    assert 'action="/targets/a%2Fb%20c"' in html
    assert "Not yet probed." in html
    assert "<button" not in text(shown(status, own, can_probe=False))
    assert 'id="probe"' not in shown(status, own, can_probe=False)
    assert 'id="probe"' not in shown(status, Condition(stands_by=True))


def test_the_problems_are_listed_worst_first() -> None:
    plans = [plan(name) for name in ("good", "cold", "bad", "new")]
    status = status_of(*plans)
    status.observe(success(plans[0], finished_at=time.time()))
    status.waiting("cold", Waiting(time.time(), "Loading model"))
    status.observe(failure(plans[2], "HTTP 500: oh", FailureReason.SERVER_ERROR))
    said = text(render_problems(status.rows(), Condition(), time.time()).html)
    assert said.index("bad") < said.index("cold short")
    assert "good" not in said
    assert "new" not in said


def test_the_exporters_own_problems_are_listed_too() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(success(asked, finished_at=time.time() - 100))
    own = Condition(config_error="config.yaml:3: unknown key", spent=Spent(4.8, 5))
    said = text(render_problems(status.rows(), own, time.time()).html)
    assert "The configuration has errors" in said
    assert "$4.80 of $5.00 today" in said
    assert "no result for three intervals: a" in said


def test_it_says_when_there_are_no_problems() -> None:
    asked = plan()
    status = status_of(asked)
    status.observe(success(asked, finished_at=time.time()))
    said = text(render_problems(status.rows(), Condition(), time.time()).html)
    assert "No problems. Probed targets: 1." in said


def test_the_configuration_shown_is_one_that_can_be_loaded(tmp_path: Path) -> None:
    config = config_file.load(EXAMPLE)
    again = tmp_path / "again.yaml"
    again.write_text(config_text(config))
    loaded = config_file.load(again)
    assert [plan.key for plan in loaded.plans()] == [plan.key for plan in config.plans()]
    assert config_text(loaded) == config_text(config)


def test_the_configuration_shows_durations_with_their_units() -> None:
    target = {"name": "t", "provider": "vllm", "model": "m", "base_url": "http://h/v1"}
    own = {"interval": "90s", "boot": {"limit": "30d"}, "timeouts": {"stall": 0.2}}
    given = config_text(Config.model_validate({"targets": [{**target, **own}]}))
    for shown_as in ("interval: 1m30s\n", "limit: 30d\n", "stall: 200ms\n"):
        assert shown_as in given


@pytest.mark.parametrize(
    ("shard", "given", "shown_as"),
    [
        (Shard(), {}, {}),
        (Shard(1, 3), {}, {}),
        (Shard(), {"leader_election": "kubernetes-lease"}, {}),
        (
            Shard(1, 3),
            {"leader_election": "kubernetes-lease"},
            {"kubernetes": {"lease": "inference-exporter-1"}},
        ),
        (
            Shard(1, 3),
            {"kubernetes": {"namespace": "monitoring"}, "budget": {"usd_per_day": 6}},
            {"budget": {"usd_per_day": 2}},
        ),
    ],
)
def test_the_configuration_shows_what_is_set_or_has_an_effect(
    shard: Shard, given: dict[str, object], shown_as: dict[str, object], tmp_path: Path
) -> None:
    """A shard has a Lease and a budget of its own."""
    written = {"version": 1, **given}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(written))
    config = FileSource(tmp_path / "config.yaml", shard).load()
    assert yaml.safe_load(config_text(config)) == {**written, **shown_as}


def test_a_misplaced_secret_is_not_shown() -> None:
    remember("sk-very-secret-key")
    target = {"name": "a", "provider": "openai", "model": "m", "api_key": {"env": "OPENAI_KEY"}}
    extra = {"extra_body": {"user": "sk-very-secret-key"}}
    shown_text = config_text(Config.model_validate({"targets": [{**target, **extra}]}))
    assert "sk-very" not in shown_text
    assert yaml.safe_load(shown_text)["targets"][0]["api_key"] == {"env": "OPENAI_KEY"}


def test_a_target_takes_a_few_kilobytes() -> None:
    """This is with a day of history, and 64 chunks in each answer."""
    plans = [plan(f"t{number}") for number in range(3)]
    status = Status()
    status.apply(newly(plans))
    status.observe(success(plans[0]))
    tracemalloc.start()
    for number in range(240):
        for each in plans:
            made = success(each, 300 + number % 90, 1_900_000_000 + 360 * number)
            late = drawn_out(made, *range(300, 1580, 20), sent=0, end=1700)
            status.observe(late if number > 220 else made)
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / len(plans) < 24 << 10


def test_percentages_never_hide_a_failure() -> None:
    shown_as = {1.0: "100 %", 0.0: "0 %", 0.5: "50 %", 0.9995: "99.95 %", 0.995: "99.5 %"}
    shown_as |= {0.99: "99 %", 0.8166: "82 %", 0.99999: "99.999 %", 0.003: "0.3 %"}
    assert {ratio: percent(ratio) for ratio in shown_as} == shown_as
    assert [seconds(value) for value in (0.00084, 0.312, 0.9996, 3.2, 250)] == [
        "0.84 ms", "312 ms", "1.00 s", "3.20 s", "250 s",
    ]  # fmt: skip
    assert [usd(value) for value in (0, 0.00001, 0.0031, 4.2)] == [
        "$0.00", "under $0.0001", "$0.0031", "$4.20",
    ]  # fmt: skip


def test_every_page_has_the_same_strict_policy() -> None:
    status = status_of(plan())
    own = Condition()
    for page in (
        render_page(status.rows(), own, TableView(), 0),
        render_target(status.rows(), own, 0, 0, can_probe=True),
        render_problems(status.rows(), own, 0),
    ):
        assert "default-src 'none'" in page.security_policy
        assert "unsafe" not in page.security_policy
        assert " style=" not in page.html
        assert not re.search(r'\son[a-z]+="', page.html)
        assert not re.search(r'(src|href)="(https?:)?//(?!github\.com)', page.html)
