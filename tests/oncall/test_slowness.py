"""What the history says of a target is about that target."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.oncall.clients import History
from exporter.oncall.slowness import Usual, of_the_past
from tests.prometheus import prometheus_with_past

DEGRADED = "instance:inference_vantage_point:degraded"
AFFECTED = "target:inference_places:affected_ratio"


@pytest.mark.slow
def test_no_cause_comes_from_another_exporter_or_another_problem(
    tool: Callable[[str], Path], tmp_path: Path
) -> None:
    own, other = 'job="j",instance="own"', 'job="j",instance="other"'
    series = (
        f'inference_last_probe_success{{{own},target="a"}} 1',
        f'inference_last_probe_success{{{own},target="b"}} 1',
        f'inference_last_probe_success{{{other},target="b"}} 1',
        f'{DEGRADED}{{{other},problem="slow"}} 0.8',
        f'{AFFECTED}{{job="j",target="a",problem="failing"}} 1',
        f'{AFFECTED}{{job="j",target="b",problem="slow"}} 1',
    )
    now = time.time()
    lines = [f"{one} {now - ago:.0f}" for one in series for ago in (60, 45, 30, 15, 0, -15, -30)]
    with prometheus_with_past(tool, tmp_path, lines) as past:
        of_a, of_b = (Usual.of(History(past.url, None), target) for target in ("a", "b"))
    assert (of_a.place_degraded, of_a.places_affected) == (False, None)
    assert (of_b.place_degraded, of_b.places_affected) == (True, 1)
    assert not list(of_the_past(of_a))
