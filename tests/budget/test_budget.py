"""Budgets: a probe that could exceed one isn't sent, and nothing resets the day's spending."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import threading
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.budget.keeper import BudgetKeeper
from exporter.budget.spend_file import SpendFileError, read_day, write_day
from exporter.budget.spending import Day, Spending
from exporter.config.plan import Plan
from exporter.config.root import Config
from exporter.metrics.registry import Metrics
from exporter.observation import Observation, observed, worst_usd
from exporter.probing.prober import OverBudget, Prober, StandsBy
from exporter.probing.schedule import Schedule
from exporter.result import Failure, FailureReason, Timeline, Usage
from tests.metrics.test_metrics import GOOD, samples, value
from tests.observing import newly
from tests.probing.test_schedule import ANSWER
from tests.waiting import until
from tests.wire import wire_server

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
TODAY = date(2026, 11, 24)
DAY = 86_400
PRICE = {"input": 0, "output": 10}
WORST = Decimal("0.001")  # 100 output tokens at 10 USD per million
PROBES = {"p": {"prompt": "x", "max_output_tokens": 100}}


def configure(*targets: dict[str, Any], **settings: Any) -> Config:
    whole = [
        {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:1", "price": PRICE, **t}
        for t in targets
    ]
    return Config.model_validate({"probes": PROBES, "targets": whole, **settings})


def one(usd_per_day: float, **target: Any) -> Config:
    return configure({"name": "t", **target}, budget={"usd_per_day": usd_per_day})


def spending(config: Config, clock: list[float] | None = None) -> Spending:
    now = clock or [NOON]
    made = Spending(now=lambda: now[0])
    made.apply(config)
    return made


def charged_usd(plan: Plan, usage: Usage | None = None, **changes: Any) -> Decimal:
    result = replace(GOOD, target=plan.target.name, usage=usage, **changes)
    return observed(plan, result).cost.charged_usd


def probe(spending: Spending, plan: Plan, output: int) -> None:
    with spending.hold(plan) as hold:
        hold.ended(charged_usd(plan, usage=Usage(1, output)))


def test_the_budget_can_be_spent_to_the_last_cent_and_not_beyond() -> None:
    config = one(0.003)
    [plan] = config.plans()
    money = spending(config)
    for _ in range(3):
        assert money.affords(plan)
        probe(money, plan, 100)
    assert money.day.total_usd == Decimal("0.003")
    assert not money.affords(plan)
    with pytest.raises(OverBudget, match=r"'t' could exceed the budget of 0\.003 USD a day"):
        money.hold(plan)


def test_what_a_probe_did_not_use_is_given_back() -> None:
    config = one(0.002)
    [plan] = config.plans()
    money = spending(config)
    for _ in range(11):
        probe(money, plan, 10)
    assert money.day.total_usd == Decimal("0.0011")
    assert not money.affords(plan)


def test_probes_under_way_count_as_their_worst_case() -> None:
    config = one(0.002)
    [plan] = config.plans()
    money = spending(config)
    with money.hold(plan), money.hold(plan):
        assert not money.affords(plan)
        assert money.committed.total_usd == 2 * WORST
        assert money.day.total_usd == 0


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 100)), max_size=80),
    st.integers(1, 40).map(lambda thousandths: thousandths / 1000),
)
def test_whatever_happens_in_whatever_order_no_budget_is_passed(
    events: list[tuple[bool, int]], usd_per_day: float
) -> None:
    config = one(usd_per_day)
    [plan] = config.plans()
    money, under_way = spending(config), []
    for begins, output in events:
        if begins and money.affords(plan):
            under_way.append(money.hold(plan))
        elif under_way:
            with under_way.pop() as hold:
                hold.ended(charged_usd(plan, usage=Usage(1, output)))
        assert money.committed.total_usd <= Decimal(repr(usd_per_day))


def test_each_target_has_its_own_budget_besides_the_total() -> None:
    config = configure(
        {"name": "a", "budget": {"usd_per_day": 0.001}},
        {"name": "b"},
        budget={"usd_per_day": 0.003},
    )
    a, b = config.plans()
    money = spending(config)
    probe(money, a, 100)
    assert not money.affords(a)
    with pytest.raises(OverBudget, match=r"'a' could exceed its budget of 0\.001 USD a day"):
        money.hold(a)
    probe(money, b, 100)
    probe(money, b, 100)
    assert not money.affords(b)


def test_what_costs_nothing_by_the_token_is_never_stopped() -> None:
    config = configure(
        {"name": "hourly", "price": {"usd_per_hour": 12, "gpus": 8}},
        {"name": "unknown", "price": None},
        {"name": "priced"},
        budget={"usd_per_day": 0.000001},
    )
    afforded = {plan.target.name for plan in config.plans() if spending(config).affords(plan)}
    assert afforded == {"hourly", "unknown"}


def test_a_new_day_of_utc_begins_with_the_whole_budget() -> None:
    config, clock = one(0.001), [NOON]
    [plan] = config.plans()
    money = spending(config, clock)
    probe(money, plan, 100)
    clock[0] = datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC).timestamp()
    assert not money.affords(plan)
    clock[0] += 1
    assert money.affords(plan)
    assert money.day == Day(date(2026, 11, 25), {})


def test_a_probe_counts_on_the_day_on_which_it_ends() -> None:
    config, clock = one(0.001), [NOON]
    [plan] = config.plans()
    money = spending(config, clock)
    with money.hold(plan) as hold:
        clock[0] += DAY
        assert not money.affords(plan)
        hold.ended(charged_usd(plan, usage=Usage(1, 60)))
    assert money.day.usd == {"t": Decimal("0.0006")}


FAILED = Failure(FailureReason.TRUNCATED, "")


@pytest.mark.parametrize(
    ("changes", "charged"),
    [
        ({"usage": Usage(5, 7)}, 7 * WORST / 100),
        ({"usage": Usage(5, 7), "failure": FAILED}, 7 * WORST / 100),
        ({"status": 200}, WORST),
        ({"status": 200, "failure": FAILED}, WORST),
        ({"status": None, "failure": FAILED}, WORST),
        ({"status": 429, "failure": FAILED}, 0),
        ({"status": 500, "failure": FAILED}, 0),
        ({"status": None, "failure": FAILED, "timeline": Timeline(start=0)}, 0),
    ],
)
def test_what_the_provider_does_not_tell_counts_as_the_worst_case(
    changes: dict[str, Any], charged: Decimal
) -> None:
    [plan] = one(1).plans()
    assert charged_usd(plan, **changes) == charged


def test_a_probe_that_never_came_back_counts_as_the_worst_case() -> None:
    config = one(1)
    [plan] = config.plans()
    money = spending(config)
    with pytest.raises(asyncio.CancelledError), money.hold(plan):
        raise asyncio.CancelledError
    assert money.day.total_usd == WORST


def test_the_worst_case_knows_long_prompts_bytes_and_further_fields() -> None:
    dear = {"input": 1_000_000, "output": 0, "cache_write": 2_000_000}  # a token costs 1 or 2 USD
    [plan] = configure({"name": "t", "price": dear}).plans()
    probes = {"p": {"prompt": "é" * 500}}
    [longer] = Config.model_validate(
        {
            "probes": probes,
            "targets": [
                {**plan.target.model_dump(exclude_none=True), "extra_body": {"a": "b" * 80}}
            ],
        }
    ).plans()
    assert worst_usd(longer) - worst_usd(plan) == 2 * (
        1000 - 1 + len(json.dumps({"a": "b" * 80})) - 2
    )


@pytest.mark.parametrize(
    ("extra_body", "tokens"),
    [
        ({"max_completion_tokens": 4096, "n": 4}, 4 * 4096),
        ({"generationConfig": {"maxOutputTokens": 200, "candidateCount": 2}}, 400),
        ({"options": {"num_predict": 300}}, 300),
        ({"parameters": {"n": 3}}, 300),
        ({"max_tokens": None, "max_completion_tokens": 50}, 100),
        ({"max_tokens": None}, 100),
        ({"n": True, "best_of": "2", "max_tokens": -1}, 100),
        ({"n": 10**4000, "max_tokens": 10**4000}, 10_000_000),
    ],
)
def test_the_worst_case_knows_the_output_that_further_fields_ask_for(
    extra_body: dict[str, Any], tokens: int
) -> None:
    [plan] = configure({"name": "t", "extra_body": extra_body}).plans()
    assert worst_usd(plan) == tokens * WORST / 100


def test_a_probe_without_output_has_none_whatever_further_fields_say() -> None:
    target = {"provider": "openai", "base_url": "http://127.0.0.1:1", "model": "m", "price": PRICE}
    probes = {"p": {"kind": "embeddings", "input": ["x"]}}
    named = {"name": "t", "extra_body": {"max_tokens": 9, "n": 9}, **target}
    [plan] = Config.model_validate({"probes": probes, "targets": [named]}).plans()
    assert worst_usd(plan) == 0


# Schedule, prober, and series together.


def served(url: str, **settings: Any) -> Config:
    target = {"name": "t", "base_url": f"{url}/v1", "interval": "100ms"}
    return configure(target, **settings)


async def test_the_schedule_skips_what_the_budget_does_not_allow_and_counts_it() -> None:
    with wire_server([0.02, *ANSWER]) as server:
        config = served(server.url, budget={"usd_per_day": 0.0035})
        metrics, money = Metrics(), spending(config)
        prober = Prober([metrics.observe], purse=money)
        schedule = Schedule(prober, metrics)
        metrics.apply(newly(config.plans()))
        prober.apply(newly(config.plans()))
        schedule.start()
        schedule.apply(newly(config.plans()))
        await until(lambda: value(metrics, "inference_probes_skipped_total", reason="budget") >= 3)
        with pytest.raises(OverBudget):
            await prober.probe(config.plans()[0])
        schedule.stop()
        await prober.aclose(grace_seconds=1)
    # The answer reports no usage, so each probe costs its worst case.
    assert len(server.requests) == 3
    assert money.day.total_usd == 3 * WORST


async def test_a_probe_that_waited_is_not_sent_once_another_exporter_probes() -> None:
    leads = True
    may_answer = threading.Event()
    with wire_server([may_answer, *ANSWER]) as server:
        config = served(server.url, budget={"usd_per_day": 1})
        money, results = spending(config), list[Observation]()
        prober = Prober([results.append], purse=money, may_probe=lambda: leads)
        (plan,) = config.plans()
        prober.apply(newly([plan]))
        first, second = (asyncio.create_task(prober.probe(plan)) for _ in range(2))
        await until(lambda: money.committed.total_usd == 2 * WORST)
        await until(lambda: server.requests)
        leads = False
        may_answer.set()
        assert (await first).result.success
        with pytest.raises(StandsBy):
            await second
        await prober.aclose(grace_seconds=1)
    assert (len(server.requests), len(results)) == (1, 1)
    assert money.committed.total_usd == WORST, "what was not sent costs nothing"


def kept(config: Config, money: Spending) -> tuple[BudgetKeeper, Metrics]:
    metrics = Metrics()
    keeper = BudgetKeeper(money, metrics.exporter)
    keeper.apply(config)
    return keeper, metrics


async def run_until_saved(keeper: BudgetKeeper, metrics: Metrics, saved: float = 1) -> None:
    """Run the keeper until its metric says whether the spend is saved."""
    running = asyncio.create_task(keeper.run())
    await until(
        lambda: ("inference_budget_state_saved", {}, saved) in samples(metrics.everything())
    )
    running.cancel()
    await asyncio.wait([running])


async def test_a_restart_remembers_what_was_spent(tmp_path: Path) -> None:
    state = {"state_file": str(tmp_path / "spent.json")}
    config = configure({"name": "t"}, budget={"usd_per_day": 0.002, **state})
    [plan] = config.plans()
    first = spending(config)
    keeper, metrics = kept(config, first)
    probe(first, plan, 70)
    with first.hold(plan):  # the process is killed during this probe
        await run_until_saved(keeper, metrics)

    second = spending(config)
    _, metrics = kept(config, second)
    assert second.day.usd == {"t": Decimal("0.0007") + WORST}
    assert value(metrics, "inference_budget_spent_usd") == 0.0017
    assert value(metrics, "inference_budget_usd_per_day") == 0.002

    tomorrow = spending(config, [NOON + DAY])
    kept(config, tomorrow)
    assert tomorrow.day.total_usd == 0


async def test_the_last_word_is_saved_when_the_exporter_stops(tmp_path: Path) -> None:
    file = tmp_path / "spent.json"
    config = configure({"name": "t"}, budget={"usd_per_day": 1, "state_file": str(file)})
    money = spending(config)
    keeper, _ = kept(config, money)
    probe(money, config.plans()[0], 50)
    keeper.close()
    assert read_day(file) == Day(TODAY, {"t": Decimal("0.0005")})


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"day": "2026-11-24"}', '{"day": "2026-11-24", "usd": {"t": -1}}', "\0" * 99],
)
async def test_a_spoilt_state_file_counts_as_a_spent_budget(tmp_path: Path, content: str) -> None:
    file = tmp_path / "spent.json"
    file.write_text(content)
    target = {"name": "t", "budget": {"usd_per_day": 0.5}}
    config = configure(target, budget={"usd_per_day": 1, "state_file": str(file)})
    clock = [NOON]
    money = spending(config, clock)
    _, metrics = kept(config, money)
    assert not money.affords(config.plans()[0])
    assert value(metrics, "inference_budget_spent_usd") >= 1
    assert value(metrics, "inference_target_budget_spent_usd", target="t") == 0.5
    clock[0] += DAY
    assert money.affords(config.plans()[0])
    assert (tmp_path / "spent.json.broken").read_text() == content


def test_an_unknown_spend_stays_unknown_when_a_reload_raises_the_budgets(tmp_path: Path) -> None:
    file = tmp_path / "spent.json"
    file.write_text("garbage")
    clock, state = [NOON], {"state_file": str(file)}
    config = configure({"name": "t"}, budget=state)
    money = spending(config, clock)
    keeper, _ = kept(config, money)
    for usd_per_day in (1, 2):
        target = {"name": "t", "budget": {"usd_per_day": 3 * usd_per_day}}
        config = configure(target, budget={"usd_per_day": usd_per_day, **state})
        keeper.apply(config)
        assert not money.affords(config.plans()[0])
    clock[0] += DAY
    assert money.affords(config.plans()[0])


async def test_a_slow_save_does_not_replace_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "spent.json"
    config = configure({"name": "t"}, budget={"usd_per_day": 1, "state_file": str(file)})
    money = spending(config)
    keeper, _ = kept(config, money)
    begun, may_end = threading.Event(), threading.Event()

    def fsync(_descriptor: int) -> None:
        begun.set()
        assert may_end.wait(60)

    monkeypatch.setattr(os, "fsync", fsync)
    running = asyncio.create_task(keeper.run())
    assert await asyncio.to_thread(begun.wait, 60)
    monkeypatch.undo()
    running.cancel()
    probe(money, config.plans()[0], 50)
    closing = asyncio.create_task(asyncio.to_thread(keeper.close))
    await asyncio.sleep(0.1)
    may_end.set()
    await closing
    await asyncio.get_running_loop().shutdown_default_executor()
    assert read_day(file) == Day(TODAY, {"t": Decimal("0.0005")})


def test_a_clock_that_goes_back_over_midnight_brings_no_second_budget() -> None:
    config, clock = one(0.001), [NOON - DAY]
    [plan] = config.plans()
    money = spending(config, clock)
    probe(money, plan, 100)
    clock[0] = NOON
    probe(money, plan, 100)
    for clock[0] in (NOON - DAY, NOON):
        assert not money.affords(plan)
    clock[0] += DAY
    assert money.affords(plan)


def test_a_start_with_the_clock_in_the_past_keeps_the_spend_of_the_later_day(
    tmp_path: Path,
) -> None:
    file = tmp_path / "spent.json"
    write_day(file, Day(TODAY, {"t": WORST}))
    config = configure({"name": "t"}, budget={"usd_per_day": 0.001, "state_file": str(file)})
    [plan] = config.plans()

    def started(days_ago: int) -> tuple[Spending, list[float]]:
        clock = [NOON - days_ago * DAY]
        money = spending(config, clock)
        keeper, _ = kept(config, money)
        assert money.affords(plan)
        keeper.close()
        return money, clock

    started(300)
    money, clock = started(299)
    clock[0] = NOON
    assert not money.affords(plan)
    second = spending(config)
    keeper, _ = kept(config, second)
    assert second.day.usd == {"t": WORST}
    keeper.close()
    assert read_day(file) == Day(TODAY, {"t": WORST})


async def test_an_unwritable_folder_is_reported_and_stops_nothing(tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "spent.json"
    config = configure({"name": "t"}, budget={"usd_per_day": 1, "state_file": str(gone)})
    money = spending(config)
    keeper, metrics = kept(config, money)
    await run_until_saved(keeper, metrics, 0)
    assert money.affords(config.plans()[0])
    gone.parent.mkdir()
    await run_until_saved(keeper, metrics)


def test_a_new_state_replaces_the_old_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "spent.json"
    write_day(file, Day(TODAY, {"t": Decimal("0.1")}))
    with file.open() as reader:
        write_day(file, Day(TODAY, {"t": Decimal("0.25")}))
        assert json.load(reader)["usd"] == {"t": "0.1"}
    assert read_day(file) == Day(TODAY, {"t": Decimal("0.25")})
    assert [path.name for path in tmp_path.iterdir()] == ["spent.json"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_old_state(tmp_path: Path) -> None:
    (tmp_path / "spent.json").mkdir()
    with pytest.raises(SpendFileError, match=r"spent\.json"):
        write_day(tmp_path / "spent.json", Day(TODAY, {}))
    assert [path.name for path in tmp_path.iterdir()] == ["spent.json"]
    with pytest.raises(SpendFileError, match="Is a directory"):
        read_day(tmp_path / "spent.json")


def names(metrics: Metrics) -> set[str]:
    return {name for name, _, _ in samples(metrics.everything()) if "budget" in name}


def test_without_a_budget_there_is_no_limit_and_spend_is_still_shown() -> None:
    config = configure({"name": "t"})
    money = spending(config)
    probe(money, config.plans()[0], 50)
    _, metrics = kept(config, money)
    assert value(metrics, "inference_budget_spent_usd") == 0.0005
    assert names(metrics) == {"inference_budget_spent_usd"}


def test_a_state_file_that_is_named_later_lowers_no_spend(tmp_path: Path) -> None:
    file = tmp_path / "spent.json"
    write_day(file, Day(TODAY, {"t": Decimal("0.0001"), "other": Decimal("0.0005")}))
    config = configure({"name": "t"}, budget={"usd_per_day": 1, "state_file": str(file)})
    money = spending(config)
    probe(money, config.plans()[0], 50)
    kept(config, money)
    assert money.day.usd == {"t": Decimal("0.0005"), "other": Decimal("0.0005")}


def test_a_reload_changes_the_budget_and_forgets_no_spend() -> None:
    config = one(0.001, budget={"usd_per_day": 1})
    [plan] = config.plans()
    money = spending(config)
    keeper, metrics = kept(config, money)
    probe(money, plan, 100)
    keeper.apply(one(0.002))
    assert money.affords(plan)
    probe(money, plan, 100)
    assert not money.affords(plan)
    assert names(metrics) == {"inference_budget_spent_usd", "inference_budget_usd_per_day"}
