"""``compare --prometheus`` reads the exporter's measurements from a real Prometheus."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from exporter.cli import main
from exporter.simulator import Script, Simulator, run_in_thread
from exporter.simulator.faults import Disconnect
from tests.process import eventually, exporter, free_port, process
from tests.prometheus import Prometheus, running_prometheus
from tests.waiting import timed

pytestmark = pytest.mark.slow

SLOW_SECONDS, FAST_SECONDS = 0.08, 0.02
SCRIPTS = {
    "slow": Script(first_token_seconds=SLOW_SECONDS, token_gap_seconds=0.001, jitter=0.05),
    "fast": Script(
        first_token_seconds=FAST_SECONDS,
        token_gap_seconds=0.001,
        jitter=0.05,
        fault=Disconnect(after_tokens=3),
        fault_ratio=0.15,
    ),
    "alone": Script(),
}
CONFIG = """
web: {{listen: "127.0.0.1:{port}"}}
defaults: {{interval: 400ms}}
probes:
  count: {{prompt: "Count from 1 to 20.", max_output_tokens: 64}}
  other: {{prompt: "Say something else.", max_output_tokens: 8}}
targets:
  - {{name: slow, provider: openai, model: slow, base_url: "{url}/v1", probes: [count],
     price: {{input: 2, output: 8}}}}
  - {{name: fast, provider: openai, model: fast, base_url: "{url}/v1", probes: [count, other],
     price: {{input: 1, output: 2}}}}
  - {{name: alone, provider: openai, model: alone, base_url: "{url}/v1", probes: [other]}}
"""
PROBES = 80


@pytest.fixture(scope="module")
def prometheus(
    tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    program, folder, port = tool("prometheus"), tmp_path_factory.mktemp("compare"), free_port()
    with run_in_thread(Simulator(SCRIPTS)) as simulator:
        (folder / "exporter.yaml").write_text(CONFIG.format(port=port, url=simulator.url))
        url = f"http://127.0.0.1:{port}"
        often = {"scrape_interval": "250ms", "scrape_timeout": "250ms"}
        with (
            process(exporter("run", "--config", folder / "exporter.yaml"), folder / "exporter.log"),
            running_prometheus(program, folder, url, **often) as server,
        ):
            wanted = 'min(sum by (target) (inference_probes_total{probe="count"}))'
            eventually(lambda: server.query(wanted), lambda v: v and v[0] >= PROBES)
            yield server


def compare(prometheus: Prometheus, baseline: str, candidate: str, *options: str) -> Result:
    sides = ("--baseline", baseline, "--candidate", candidate)
    past = ("--prometheus", prometheus.url, "--since", "1h")
    result = CliRunner().invoke(main, ["compare", *past, *sides, *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result
    return result


def report(result: Result) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(result.stdout)
    return document


@timed
def test_the_past_has_the_verdict_that_the_script_has(prometheus: Prometheus) -> None:
    document = report(compare(prometheus, "slow", "fast", "--json", "-"))

    findings = {f["measure"]: f for f in document["candidates"][0]["findings"]}
    first = findings["ttft_p50"]
    assert first["verdict"] == "better"
    assert first["baseline"] == pytest.approx(SLOW_SECONDS, abs=0.03)
    assert first["candidate"] == pytest.approx(FAST_SECONDS, abs=0.03)
    assert findings["success"]["candidate"] < 1
    assert findings["usd_per_million_tokens"]["verdict"] == "better"


def test_every_probe_since_the_first_scrape_is_a_sample_or_said_to_be_missing(
    prometheus: Prometheus,
) -> None:
    series = 'inference_probes_total{target="slow"}'
    first = prometheus.query(f"sum(min_over_time({series}[1h]))")[0]
    counted = prometheus.query(f"sum({series})")[0]

    document = report(compare(prometheus, "slow", "fast", "--json", "-"))

    seen = document["targets"][0]["probes"]
    found = [re.match(r"Of (\d+) probes of slow ", note) for note in document["notes"]]
    said = [int(match[1]) for match in found if match]
    assert seen > PROBES / 2
    assert max(seen, *said, 0) >= counted - first


def test_what_only_one_side_was_asked_is_left_out_and_said(prometheus: Prometheus) -> None:
    document = report(compare(prometheus, "slow", "fast", "--json", "-"))

    assert document["asked"] == "The comparison used the probe 'count'."
    assert "Left out of fast, because not all sides have them: other." in document["notes"]
    assert any(
        note.startswith("Failures of fast by reason: truncated") for note in document["notes"]
    )


@timed
def test_a_target_before_a_date_is_compared_with_itself_after_it(prometheus: Prometheus) -> None:
    moment = datetime.fromtimestamp(time.time() - 15, UTC).isoformat()
    sides = ("--prometheus", prometheus.url, "--baseline", "slow", "--before-after", moment)
    result = CliRunner().invoke(main, ["compare", *sides, "--json", "-"])

    document = report(result)
    before, after = document["targets"]
    assert before["name"].startswith("slow from ")
    assert min(before["probes"], after["probes"]) > 5
    first = document["candidates"][0]["findings"][0]
    assert first["baseline"] == pytest.approx(SLOW_SECONDS, abs=0.03)
    assert first["candidate"] == pytest.approx(SLOW_SECONDS, abs=0.03)
    assert document["notes"][0].startswith("The sides were not probed at the same time")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--before-after", "soon"), "'soon' is not a date"),
        (("--before-after", "2999-01-01"), "is not in the past"),
        (("--window", "2026-11-10..2026-11-17"), "there is only one --window"),
        (("--before-after", "2026-11-10", "--candidate", "fast"), "compares the baseline with"),
    ],
)
def test_wrong_spans_of_the_past_are_told(
    prometheus: Prometheus, options: tuple[str, ...], message: str
) -> None:
    result = CliRunner().invoke(
        main, ["compare", "--prometheus", prometheus.url, "--baseline", "slow", *options]
    )

    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_sides_that_were_asked_different_things_are_refused(prometheus: Prometheus) -> None:
    result = compare(prometheus, "slow", "alone")

    assert result.exit_code == 2
    assert "have no probe in common" in result.output
    assert "slow: count; alone: other" in result.output


def test_an_unknown_target_is_told_with_those_that_are_known(prometheus: Prometheus) -> None:
    result = compare(prometheus, "slow", "fsat")

    assert result.exit_code == 1
    assert "no probes of target 'fsat'" in result.output
    assert "alone, fast, slow" in result.output


def test_samples_of_the_past_can_be_kept(prometheus: Prometheus, tmp_path: Path) -> None:
    kept = tmp_path / "samples.jsonl"
    first = report(compare(prometheus, "slow", "fast", "--samples", str(kept), "--json", "-"))

    anew = CliRunner().invoke(main, ["compare", "--from-samples", str(kept), "--json", "-"])

    assert report(anew) == first


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:1", "cannot reach Prometheus at 127.0.0.1"),
        ("nowhere", "check --prometheus"),
    ],
)
def test_a_missing_prometheus_is_reported(url: str, message: str) -> None:
    sides = ("--baseline", "a", "--candidate", "b")
    result = CliRunner().invoke(main, ["compare", "--prometheus", url, *sides])

    assert result.exit_code == 1
    assert message in result.output
