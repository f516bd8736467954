"""When something is due, even if the clock jumps."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from exporter.config.plan import Plan, PlanChange
from exporter.probing.grid import GridTrigger, hashed, next_on_grid, spread
from tests.metrics.test_metrics import plan

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
TRIGGER = GridTrigger(0.3, 60.0)


def plans(*numbers: int, interval: float = 60.0) -> list[Plan]:
    return [replace(plan(f"t{number}"), interval_seconds=interval) for number in numbers]


def phases(spread_out: tuple[Plan, ...]) -> dict[str, float]:
    return {plan.target.name: plan.phase.part for plan in spread_out}


@pytest.mark.parametrize("number", [1, 2, 3, 10, 97, 2000])
def test_plans_are_evenly_spread_over_their_interval(number: int) -> None:
    found = sorted(one.phase.part for one in spread(plans(*range(number)), ()))
    assert all(0 <= phase < 1 for phase in found)
    gaps = [later - earlier for earlier, later in pairwise([*found, found[0] + 1])]
    # The longest distance is that between two phases, or the sum of the two shorter ones.
    assert max(gaps) <= 2 / number
    assert min(gaps) >= 1 / (3 * number)
    if number == 2000:
        in_each_fiftieth = Counter(int(phase * 50) for phase in found)
        assert set(in_each_fiftieth.values()) <= {38, 39, 40, 41, 42}


def test_the_same_configuration_has_the_same_phases() -> None:
    assert spread(plans(*range(50)), ()) == spread(plans(*range(50)), ())
    assert phases(spread(plans(1), ())) != phases(spread(plans(2), ()))


def test_a_plan_keeps_its_phase_while_others_come_and_go() -> None:
    before = spread(plans(*range(20)), ())
    after = spread(plans(*range(10, 20), *range(30, 45), 0), before)
    kept = {f"t{number}" for number in (0, *range(10, 20))}
    assert {name: phase for name, phase in phases(after).items() if name in kept} == {
        name: phase for name, phase in phases(before).items() if name in kept
    }
    assert len({one.phase for one in after}) == len(after)


def test_a_plan_that_comes_fills_the_gap_that_another_one_left() -> None:
    before = spread(plans(*range(20)), ())
    after = spread(plans(*(n for n in range(20) if n != 7), 99), before)
    assert phases(after)["t99"] == pytest.approx(phases(before)["t7"])


def test_plans_stay_evenly_spread_while_the_first_one_changes() -> None:
    found: tuple[Plan, ...] = ()
    all_plans = plans(*range(300))
    for number in range(300):
        found = spread(all_plans[number::-1], found)
    in_each_sixtieth = Counter(int(one.phase.part * 60) for one in found)
    assert set(in_each_sixtieth.values()) <= {4, 5, 6}


def test_a_reload_changes_no_plan_that_stays() -> None:
    before = spread(plans(*range(5)), ())
    change = PlanChange.between(before, spread(plans(4, 3, 9, 1), before))
    assert [one.target.name for one in change.kept] == ["t4", "t3", "t1"]
    assert not change.changed


def test_a_hash_is_the_same_in_every_version() -> None:
    """Idle periods before cold starts stay where they are after a restart."""
    assert hashed(("group", "llama")) == pytest.approx(0.686267, abs=1e-6)


def test_each_interval_is_spread_by_itself() -> None:
    mixed = [one for pair in zip(plans(*range(9)), plans(*range(9), interval=15), strict=True)
             for one in pair]  # fmt: skip
    found = spread(mixed, ())
    assert phases(found[::2]) == phases(spread(mixed[::2], ()))
    assert phases(found[1::2]) == phases(spread(mixed[1::2], ()))


@pytest.mark.parametrize("now", [0.0, 1_790_000_000.123, 1_790_000_059.999])
def test_the_next_run_is_less_than_an_interval_away(now: float) -> None:
    due = next_on_grid(now, 0.7, 60)
    assert now <= due < now + 60
    assert math.isclose(due % 60, 42, abs_tol=1e-6)


def test_it_fires_once_in_each_interval() -> None:
    due = [TRIGGER.get_next_fire_time(None, NOW)]
    for _ in range(100):
        due.append(TRIGGER.get_next_fire_time(due[-1], due[-1]))
    assert due[0].timestamp() == pytest.approx(next_on_grid(NOW.timestamp(), 0.3, 60))
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(due)]
    assert gaps == pytest.approx([60.0] * 100)


@pytest.mark.parametrize("days", [1 / 24, 1, 3650, 36500])
def test_what_is_past_is_not_made_up_for(days: float) -> None:
    later = NOW + timedelta(days=days)
    due = TRIGGER.get_next_fire_time(NOW, later)
    assert later <= due <= later + timedelta(seconds=60)
