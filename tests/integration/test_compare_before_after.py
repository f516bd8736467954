"""Did last Tuesday's change matter? The test asks a real Prometheus with backfilled history."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from exporter.cli import main
from tests.prometheus import Prometheus, prometheus_with_past

pytestmark = pytest.mark.slow

HOUR, DAY = 3600, 86_400
PROBED_EVERY, SCRAPED_EVERY = 600, 300
DAYS_AGO = 5
FASTER = 0.85
"""The speed-up from the change of five days ago. Otherwise, times vary only with the hour of the
day."""
START = int(time.time()) // HOUR * HOUR - 2 * DAYS_AGO * DAY
CHANGED = START + DAYS_AGO * DAY
LABELS = 'target="chips",provider="openai",model="qwen",probe="short",job="e",instance="e:9850"'


def openmetrics() -> Iterator[str]:
    """Yield an exporter's samples from ten days ago until now."""
    random = np.random.default_rng(3)
    probes = tokens = 0
    gauges = {"success": 0.0}
    for at in range(START, int(time.time()), SCRAPED_EVERY):
        if at % PROBED_EVERY == 0:
            usual = 0.35 * (1 + 0.3 * math.sin(2 * math.pi * at / DAY))
            first = usual * (FASTER if at >= CHANGED else 1) * random.lognormal(0, 0.25)
            per_token = 0.02 * random.lognormal(0, 0.1)
            probes, tokens = probes + 1, tokens + 40
            gauges = {
                "timestamp_seconds": at - 5,
                "success": 1.0,
                "time_to_first_token_seconds": first,
                "time_per_output_token_seconds": per_token,
                "request_duration_seconds": first + 39 * per_token,
            }
        for name, value in gauges.items():
            yield f"inference_last_probe_{name}{{{LABELS}}} {value} {at}"
        yield f'inference_probes_total{{{LABELS},outcome="success"}} {probes} {at}'
        for kind in ("input", "output"):
            yield f'inference_tokens_total{{{LABELS},type="{kind}"}} {tokens} {at}'
        yield f"inference_cost_usd_total{{{LABELS}}} {tokens * 1e-6:.6f} {at}"


@pytest.fixture(scope="module")
def prometheus(
    tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("past")
    with prometheus_with_past(tool, folder, openmetrics()) as server:
        yield server


def asked(prometheus: Prometheus, moment: float, *options: str) -> Result:
    when = datetime.fromtimestamp(moment, UTC).isoformat()
    past = ("--prometheus", prometheus.url, "--baseline", "chips", "--before-after", when)
    return CliRunner().invoke(main, ["compare", *past, *options])


def report(result: Result) -> Any:
    return json.loads(result.stdout)


def finding(document: Any, measure: str) -> Any:
    [versus] = document["candidates"]
    return next(one for one in versus["findings"] if one["measure"] == measure)


def test_a_change_that_mattered_is_found_with_its_size_and_its_moment(
    prometheus: Prometheus,
) -> None:
    document = report(asked(prometheus, CHANGED, "--json", "-"))

    first = finding(document, "ttft_typical")
    assert first["verdict"] == "better"
    assert first["low"] < FASTER < first["high"]
    assert first["high"] - first["low"] < 0.08
    for unchanged in ("tpot_typical", "usd_per_million_tokens"):
        assert finding(document, unchanged)["verdict"] == "same"
    assert all(600 < target["probes"] < 800 for target in document["targets"])
    assert document["notes"][0].startswith("The sides were not probed at the same time")
    assert "same hours of the day. The days of the week differ" in document["notes"][0]


def test_a_date_without_a_change_is_reported_as_such(prometheus: Prometheus) -> None:
    """Two days before and two days after a moment that is two and a half days after the change."""
    document = report(asked(prometheus, CHANGED + 2.5 * DAY, "--since", "2d", "--json", "-"))

    first = finding(document, "ttft_typical")
    assert first["verdict"] in {"same", "not enough data"}
    assert first["low"] < 1 < first["high"]


def test_three_hours_are_not_enough_and_the_report_says_so(prometheus: Prometheus) -> None:
    """The same change, when someone asks on the same day."""
    result = asked(prometheus, CHANGED, "--since", "3h", "--json", "-")

    document = report(result)
    assert {one["verdict"] for one in document["candidates"][0]["findings"]} <= {
        "not enough data",
        "not measured",
    }
    assert finding(document, "ttft_typical")["note"] in {"18 of 40 values", "19 of 40 values"}
    assert "They do not cover the same hours of the day" in document["notes"][0]


def test_not_enough_data_can_fail_a_job(prometheus: Prometheus) -> None:
    result = asked(prometheus, CHANGED, "--since", "3h", "--fail-on", "not-enough-data")

    assert result.exit_code == 1
    assert "not enough data" in " ".join(result.output.split())
