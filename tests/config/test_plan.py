"""The differences between two configurations, computed once for all users."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.config.plan import PlanChange
from tests.metrics.test_metrics import plan

A, B, C = plan("a"), plan("b"), plan("c")
SLOWER = replace(A, interval_seconds=A.interval_seconds * 2)


def names(change: PlanChange) -> tuple[list[str], ...]:
    parts = (change.added, change.kept, change.changed, change.gone)
    return tuple([one.target.name for one in part] for part in parts)


def test_every_plan_is_added_kept_changed_or_gone() -> None:
    change = PlanChange.between([A, B, C], [plan("d"), C, SLOWER])
    assert names(change) == (["d"], ["c"], ["a"], ["b"])
    assert change.changed == (SLOWER,)
    assert [one.target.name for one in change.plans] == ["d", "c", "a"], "in the new order"


@pytest.mark.parametrize(
    ("other", "same_past"),
    [
        pytest.param(plan("a", labels={"team": "x"}), True, id="labels"),
        pytest.param(plan("a", price={"input": 1, "output": 2}), True, id="price"),
        pytest.param(plan("a", model="other"), False, id="model"),
        pytest.param(plan("a", provider="ollama"), False, id="provider"),
        pytest.param(plan("a", base_url="http://127.0.0.1:2"), False, id="endpoint"),
    ],
)
def test_the_past_is_that_of_who_is_asked(other: object, same_past: bool) -> None:
    assert isinstance(other, type(A))
    change = PlanChange.between([A], [other])
    assert names(change) == (([], [], ["a"], []) if same_past else (["a"], [], [], ["a"]))


def test_what_is_kept_for_a_plan_is_carried_over() -> None:
    states = {A.identity: "of a", B.identity: "of b"}
    carried = PlanChange.between([A, B], [C, SLOWER]).carry(states, lambda one: "new")
    assert carried == {C.identity: "new", A.identity: "of a"}
