"""When something is due, even if the clock jumps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from exporter.probing.grid import GridTrigger, next_on_grid

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
TRIGGER = GridTrigger(("target", "probe"), 60.0)


def test_it_fires_once_in_each_interval() -> None:
    due = [TRIGGER.get_next_fire_time(None, NOW)]
    for _ in range(100):
        due.append(TRIGGER.get_next_fire_time(due[-1], due[-1]))
    assert due[0].timestamp() == pytest.approx(
        next_on_grid(NOW.timestamp(), ("target", "probe"), 60)
    )
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(due)]
    assert gaps == pytest.approx([60.0] * 100)


@pytest.mark.parametrize("days", [1 / 24, 1, 3650, 36500])
def test_what_is_past_is_not_made_up_for(days: float) -> None:
    later = NOW + timedelta(days=days)
    due = TRIGGER.get_next_fire_time(NOW, later)
    assert later <= due <= later + timedelta(seconds=60)
