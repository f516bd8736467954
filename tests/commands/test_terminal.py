"""What ``probe`` prints below its result lines."""

from __future__ import annotations

from dataclasses import replace

import click
import pytest

from exporter.commands.terminal import Summary, closing, line
from exporter.observation import observed
from exporter.result import Failure, FailureReason, ProbeResult
from tests.metrics.test_metrics import GOOD, plan

MS = 1_000_000
LIMITED = replace(plan(), max_uncertainty_seconds=0.01)


def off_by(milliseconds: int) -> ProbeResult:
    """Return a success with an uncertain time."""
    timeline = replace(GOOD.timeline, first_token=9_000 * MS, uncertainty=milliseconds * MS)
    return replace(GOOD, timeline=timeline)


MISSED = replace(GOOD, failure=Failure(FailureReason.TIMEOUT_TOTAL, "not done"), interrupted=True)


def test_uncertain_results_are_counted_and_left_out_of_the_times() -> None:
    results = [GOOD, off_by(11), MISSED]
    summary = Summary.of([observed(LIMITED, result) for result in results])
    assert (summary.probes, summary.successes, summary.uncertain) == (3, 2, 2)
    assert summary.time_to_first_token_p95 == GOOD.time_to_first_token_seconds


def test_a_probe_that_this_machine_interrupted_is_not_shown_as_a_failure_of_the_provider() -> None:
    assert click.unstyle(line(1, MISSED)).split()[1] == "interrupted"


@pytest.mark.parametrize(("uncertain", "told"), [(11, True), (9, False)])
def test_the_reader_is_told_how_many_are_left_out(uncertain: int, told: bool) -> None:
    lines = click.unstyle(closing([observed(LIMITED, off_by(uncertain))])).splitlines()
    assert "1 of 1 succeeded" in lines
    assert any(line.startswith("1 excluded from the times") for line in lines) is told
