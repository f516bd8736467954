"""``compare`` as its users run it, with simulated providers over real sockets."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from exporter.cli import main
from exporter.compare.statistics.sequential import looks
from exporter.simulator import Script, Served, Simulator, run_in_thread
from exporter.simulator.faults import ErrorResponse
from exporter.simulator.script import Boot
from exporter.simulator.steps import Error, ErrorKind
from tests.process import exporter

pytestmark = pytest.mark.slow

_AUTH = ErrorResponse(Error(ErrorKind.INVALID_KEY, "Wrong key."))
_LIMITED = ErrorResponse(Error(ErrorKind.RATE_LIMITED, "Slow down."))
_BUSY = ErrorResponse(Error(ErrorKind.OVERLOADED, "Come back later."))

SCRIPTS = {
    "slow": Script(first_token_seconds=0.04, token_gap_seconds=0.004, jitter=0.1),
    "fast": Script(first_token_seconds=0.004, token_gap_seconds=0.0005, jitter=0.1),
    "locked": Script(fault=_AUTH),
    "limited": Script(fault=_LIMITED),
    "busy": Script(
        first_token_seconds=0.004, token_gap_seconds=0.0002, fault=_BUSY, fault_ratio=0.5
    ),
    "asleep": Script(
        first_token_seconds=0.004,
        token_gap_seconds=0.0002,
        boot=Boot(seconds=0.4, idle_seconds=0.8),
    ),
}
PRICES = {"slow": (2, 8), "fast": (1, 2), "busy": (1, 2)}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with run_in_thread(Simulator(SCRIPTS)) as running:
        yield running


class Comparing:
    """Runs ``compare`` in a separate folder."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        self.simulator = simulator
        self.samples = folder / "samples.jsonl"
        self.json = folder / "report.json"
        self.config = folder / "config.yaml"
        self.config.write_text(
            json.dumps(
                {
                    "defaults": {"max_uncertainty": "10s"},  # for busy machines
                    "targets": list(map(self._target, SCRIPTS)),
                }
            )
        )

    def _target(self, model: str) -> dict[str, object]:
        target: dict[str, object] = {
            "name": model,
            "provider": "openai",
            "model": model,
            "base_url": f"{self.simulator.url}/v1",
        }
        if price := PRICES.get(model):
            target["price"] = {"input": price[0], "output": price[1]}
        return target

    def __call__(self, baseline: str, candidate: str, *options: str) -> Result:
        sides = ("--baseline", baseline, "--candidate", candidate)
        files = ("--samples", str(self.samples), "--json", str(self.json))
        return self.run("--config", str(self.config), *sides, *files, *options)

    @staticmethod
    def run(*options: str) -> Result:
        result = CliRunner().invoke(main, ["compare", *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result

    def findings(self) -> dict[str, dict[str, Any]]:
        report = json.loads(self.json.read_text())
        return {finding["measure"]: finding for finding in report["candidates"][0]["findings"]}

    def kept(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.samples.read_text().splitlines()[1:]]


@pytest.fixture
def compare(simulator: Simulator, tmp_path: Path) -> Comparing:
    return Comparing(simulator, tmp_path)


def test_the_faster_and_cheaper_one_is_better(compare: Comparing) -> None:
    result = compare("slow", "fast", "-n", "50")

    assert result.exit_code == 0, result.output
    findings = compare.findings()
    for measure in ("ttft_p50", "usd_per_thousand_requests"):
        assert findings[measure]["verdict"] == "better", measure
    # On a busy machine, answers of a few milliseconds can be slow for many blocks in a row.
    for measure in ("tpot_p50", "duration_p50"):
        assert findings[measure]["verdict"] in ("better", "not enough data"), measure
    assert findings["ttft_p95"]["verdict"] == "not enough data"
    assert "fast beats slow." in result.stdout
    assert "It starts to answer sooner" in result.stdout


@pytest.mark.parametrize("options", [(), ("--concurrency", "2")])
def test_a_full_disk_is_reported(compare: Comparing, options: tuple[str, ...]) -> None:
    command = exporter(
        *("compare", "--config", compare.config, "--samples", compare.samples, "-n", "10"),
        *("--baseline", "slow", "--candidate", "fast", *options),
    )
    full = subprocess.run(
        ["sh", "-c", 'ulimit -f 2; exec "$@"', "sh", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert full.returncode == 1
    assert full.stderr.splitlines()[-1] == f"{compare.samples}: cannot be written: File too large"
    assert "Traceback" not in full.stderr


def test_progress_is_shown_where_standard_error_is_a_terminal(compare: Comparing) -> None:
    terminal, its_end = pty.openpty()
    options = ("--config", compare.config, "--samples", compare.samples, "-n", "2")
    sides = ("--baseline", "slow", "--candidate", "fast")
    done = subprocess.run(
        [str(part) for part in exporter("compare", *sides, *options)],
        stdout=subprocess.PIPE,
        stderr=its_end,
        timeout=150,
        check=True,
    )
    os.close(its_end)
    with os.fdopen(terminal, "rb") as screen:
        progress = screen.read1().decode()

    assert "comparing  [" in progress
    assert "4/4" in progress
    assert " USD" in progress
    assert done.stdout.startswith(b"measure ")


def test_ci_can_fail_on_worse(compare: Comparing) -> None:
    result = compare("fast", "slow", "-n", "50", "--fail-on", "worse")

    assert result.exit_code == 1
    assert "slow falls behind fast." in result.stdout


def test_ci_can_fail_on_too_little_data(compare: Comparing) -> None:
    assert compare("slow", "fast", "-n", "4").exit_code == 0
    compare.samples.unlink()
    assert compare("slow", "fast", "-n", "4", "--fail-on", "not-enough-data").exit_code == 1


def test_blocks_are_asked_in_mirrored_order_and_each_begins_with_another(
    compare: Comparing,
) -> None:
    compare("slow", "fast", "--candidate", "busy", "-n", "6")

    asked = [(sample["block"], sample["target"]) for sample in compare.kept()]
    orders = [[target for block, target in asked if block == number] for number in range(3)]
    assert orders == [
        ["slow", "fast", "busy", "busy", "fast", "slow"],
        ["fast", "busy", "slow", "slow", "busy", "fast"],
        ["busy", "slow", "fast", "fast", "slow", "busy"],
    ]


def test_the_report_can_be_made_anew_from_the_samples(compare: Comparing, tmp_path: Path) -> None:
    compare("slow", "fast", "-n", "40")
    again = tmp_path / "again.json"

    result = compare.run("--from-samples", str(compare.samples), "--json", str(again))

    assert result.exit_code == 0, result.output
    assert again.read_text() == compare.json.read_text()


def test_another_margin_needs_no_other_samples(compare: Comparing) -> None:
    compare("slow", "fast", "-n", "40")
    wide = ("--margin", "ttft_p50=20", "--measure", "ttft_p50", "--json", "-")

    result = compare.run("--from-samples", str(compare.samples), *wide)

    [finding] = json.loads(result.stdout)["candidates"][0]["findings"]
    assert finding["verdict"] == "same"


def test_an_interrupted_comparison_goes_on_where_it_was(compare: Comparing) -> None:
    compare("slow", "fast", "-n", "8")
    lines = compare.samples.read_text().splitlines(keepends=True)
    compare.samples.write_text("".join(lines[:10]) + lines[10][:25])  # in the third block

    result = compare("slow", "fast", "-n", "8")

    assert result.exit_code == 0, result.output
    assert [sample["block"] for sample in compare.kept()] == [0] * 4 + [1] * 4 + [2] + [3] * 4


@pytest.mark.parametrize("options", [(), ("--concurrency", "2")])
def test_samples_that_another_version_described_are_continued(
    compare: Comparing, options: tuple[str, ...]
) -> None:
    compare("slow", "fast", "-n", "4", *options)
    head, *samples = compare.samples.read_text().splitlines(keepends=True)
    described = json.loads(head) | {"source": "As ever.", "asked": "This and that."}
    compare.samples.write_text("".join([json.dumps(described) + "\n", *samples[:4]]))

    result = compare("slow", "fast", "-n", "4", *options)

    assert result.exit_code == 0, result.output
    assert len(compare.kept()) == len(samples)


def test_other_levels_are_another_comparison(compare: Comparing) -> None:
    compare("slow", "fast", "-n", "4", "--concurrency", "2")

    for other in (("-n", "4", "--concurrency", "4"), ("-n", "8", "--concurrency", "2")):
        result = compare("slow", "fast", *other)
        assert result.exit_code == 1
        assert "other targets, prompts or limits" in result.output


def test_an_slo_needs_samples_under_load(compare: Comparing) -> None:
    compare("slow", "fast", "-n", "2")

    result = compare.run("--from-samples", str(compare.samples), "--slo", "ttft_p95=1s")

    assert result.exit_code == 2
    assert "--slo needs samples of a comparison with --concurrency" in result.output


def test_samples_of_another_comparison_are_not_mixed_in(compare: Comparing) -> None:
    compare("slow", "fast", "-n", "4")

    for other in (("slow", "busy"), ("slow", "fast", "--max-output-tokens", "9")):
        result = compare(*other, "-n", "4")
        assert result.exit_code == 1
        assert "other targets, prompts or limits" in result.output


def test_failures_count_and_are_named(compare: Comparing) -> None:
    result = compare("fast", "busy", "-n", "80")

    success = compare.findings()["success"]
    assert success["verdict"] == "worse"
    assert success["candidate"] == pytest.approx(0.5, abs=0.2)
    assert "overloaded); failures lower the success ratio and have no times" in " ".join(
        result.stdout.split()
    )


def test_a_target_that_never_answers_is_given_up(compare: Comparing) -> None:
    result = compare("fast", "locked", "-n", "100")

    assert result.exit_code == 1
    assert "target locked has failed 10 times out of 10, last with auth" in result.output
    assert len(compare.kept()) < 25


def test_a_target_that_only_fails_ends_a_load_test_after_its_first_turn(compare: Comparing) -> None:
    result = compare("fast", "locked", "--concurrency", "2,4", "-n", "20")

    assert result.exit_code == 1
    assert "target locked has failed 10 times out of 10, last with auth" in result.output
    assert Counter(sample["target"] for sample in compare.kept()) == {"fast": 10, "locked": 10}


@pytest.mark.parametrize(
    ("options", "asked"),
    [(("-n", "100"), {}), (("-n", "20", "--concurrency", "2"), {"fast": 10, "locked": 20})],
)
def test_a_continued_comparison_gives_up_a_target_that_still_never_answers(
    compare: Comparing, options: tuple[str, ...], asked: dict[str, int]
) -> None:
    """It asks the target again, because someone may have fixed it."""
    compare("fast", "locked", *options)
    result = compare("fast", "locked", *options)

    assert result.exit_code == 1
    assert "target locked has failed 10 times out of 10, last with auth" in result.output
    assert len(compare.kept()) < 50
    if asked:
        assert Counter(sample["target"] for sample in compare.kept()) == asked


def test_the_budget_is_never_exceeded(compare: Comparing) -> None:
    result = compare("slow", "fast", "-n", "400", "--budget", "0.01")

    spent = sum(sample["cost_usd"] for sample in compare.kept())
    assert 0.005 < spent <= 0.01
    assert "the budget of 0.01 USD does not allow another block" in result.output


def test_a_budget_needs_prices(compare: Comparing) -> None:
    result = compare("slow", "asleep", "--budget", "1")

    assert result.exit_code == 2
    assert "--budget needs the price of every target; set the price of asleep" in result.output


def test_sampling_ends_once_all_is_decided(compare: Comparing) -> None:
    alone = ("--measure", "ttft_p50")
    result = compare("slow", "fast", "--until-decided", "-n", "250", *alone)

    probes = len(compare.kept()) // 2
    assert probes in (50, 74, 100)
    assert f"every verdict was certain enough after {probes} probes" in result.output
    assert f"look {(probes + 1) // 25} of a comparison" in " ".join(result.stdout.split())
    anew = json.loads(
        compare.run("--from-samples", str(compare.samples), *alone, "--json", "-").stdout
    )
    assert anew == json.loads(compare.json.read_text())
    [look] = [look for look in looks(250, 0.05) if look.probes == probes]
    assert 1 - anew["confidence"] == pytest.approx(look.alpha)


def test_cold_starts_are_measured_after_idleness(compare: Comparing) -> None:
    cold = ("--cold-idle", "900ms", "--cold-rounds", "4")
    compare("fast", "asleep", "-n", "2", *cold)

    start = compare.findings()["cold_start"]
    assert start["candidate"] > 0.4 > start["baseline"]
    assert start["value"] > 1
    assert sum(sample.get("cold", False) for sample in compare.kept()) == 8


def test_lengths_and_own_prompts_are_asked_in_turn(compare: Comparing, tmp_path: Path) -> None:
    compare("slow", "fast", "-n", "4", "--length", "100", "--length", "1k")
    short, long = (
        [sample["input_tokens"] for sample in compare.kept() if sample["stratum"] == stratum]
        for stratum in ("100 tokens", "1k tokens")
    )
    assert 80 < min(short) <= max(short) < 110
    assert 800 < min(long) <= max(long) < 1000

    own = tmp_path / "own.jsonl"
    own.write_text('{"prompt": "One."}\n{"prompt": "One two three."}\n')
    compare.samples.unlink()
    result = compare("slow", "fast", "-n", "4", "--prompts-file", str(own))
    asked = [sample["input_tokens"] for sample in compare.kept()]
    assert asked in ([2] * 4 + [4] * 4, [4] * 4 + [2] * 4)
    assert "The comparison used the 2 prompts of own.jsonl." in " ".join(result.stdout.split())


def test_the_shapes_of_real_traffic_are_asked(compare: Comparing, tmp_path: Path) -> None:
    shapes = tmp_path / "shapes.csv"
    shapes.write_text("200,12\n40,5\n")

    result = compare("slow", "fast", "-n", "4", "--shapes-file", str(shapes))

    asked = {(sample["input_tokens"] > 100, sample["output_tokens"]) for sample in compare.kept()}
    assert asked == {(True, 12), (False, 5)}
    assert "in the shapes of shapes.csv" in " ".join(result.stdout.split())


def test_the_cost_of_a_month_is_for_the_stated_traffic(compare: Comparing) -> None:
    traffic = ("--requests-per-day", "10000", "--request-tokens", "900,250")
    result = compare("slow", "fast", "-n", "4", *traffic)

    text = " ".join(result.stdout.split())
    assert "slow: 1,156.62 USD, at 2.00 and 8.00 USD per million input" in text
    assert "fast would cost as much as slow at 2.71 times its price" in text


def test_a_server_that_is_paid_by_the_hour_costs_its_time(compare: Comparing) -> None:
    document = json.loads(compare.config.read_text())
    for target in document["targets"]:
        target["price"] = {"usd_per_hour": 3600, "concurrency": 2}
    compare.config.write_text(json.dumps(document))

    compare("slow", "fast", "-n", "4")

    for sample in compare.kept():
        assert sample["cost_usd"] == pytest.approx(sample["request_duration_seconds"] / 2)
        assert "charged_usd" not in sample  # a budget pays only for tokens


def test_targets_can_be_written_out(simulator: Simulator, tmp_path: Path) -> None:
    slow, fast = (
        f"provider=openai,model={model},base_url={simulator.url}/v1,input_price=1,output_price=2"
        for model in ("slow", "fast")
    )
    samples = str(tmp_path / "samples.jsonl")
    result = Comparing.run(
        "--baseline", slow, "--candidate", fast, "-n", "2", "--samples", samples, "--json", "-"
    )

    report = json.loads(result.stdout)
    assert report["baseline"]["name"] == "slow"
    assert [target["probes"] for target in report["targets"]] == [2, 2]
    assert report["targets"][0]["cost_usd"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "specify what to compare: --baseline and --candidate"),
        (("--baseline", "slow"), "specify what to compare"),
        (("--baseline", "slow", "--candidate", "fsat"), "did you mean 'fast'?"),
        (("--baseline", "slow", "--candidate", "slow"), "two sides are the same target"),
        (("--baseline", "slow", "--candidate", "fast", "--probe", "shrt"), "'short'"),
        (
            ("--baseline", "slow", "--candidate", "fast", "--probe", "short", "--length", "1k"),
            "give only one of",
        ),
        (
            ("--baseline", "slow", "--candidate", "fast", "--max-requests", "9"),
            "--max-requests has no effect without --concurrency",
        ),
        (
            ("--baseline", "slow", "--candidate", "fast", "--until-decided", "--concurrency", "2"),
            "--until-decided has no effect with --concurrency; remove it",
        ),
        (("--concurrency", "1,two"), "'1,two' is not a list of numbers of streams"),
        (("--slo", "ttft_p59=1s"), "did you mean 'ttft_p95'?"),
        (("--first", "success", "--measure", "ttft_p50"), "--first success is not among"),
        (("--margin", "ttft=0.1"), "did you mean 'ttft_p95'?"),
        (("--margin", "ttft_p50=some"), "'some' is not a share"),
        (("--cold-idle", "often"), "'often' is not a duration"),
        (("--slo", "ttft_p95=1s"), "--slo has no effect without --concurrency; add --concurrency"),
        (("--request-tokens", "9,9"), "--request-tokens has no effect without --requests-per-day"),
        (("--since", "3d"), "--since has no effect without --prometheus"),
        (("--before-after", "2026-11-17"), "--before-after has no effect without --prometheus"),
        (("--concurrency", "2", "--pause", "1s"), "--pause has no effect with --concurrency"),
        (("--prometheus", "http://127.0.0.1:1"), "--config has no effect with --prometheus"),
        (("--from-samples", "samples.jsonl"), "--config has no effect with --from-samples"),
        (("--json", "-", "--markdown", "-"), "only one of them can be -"),
        (("--html", "missing/report.html"), "there is no folder 'missing'; create it"),
    ],
)
def test_wrong_usage_is_told(compare: Comparing, options: tuple[str, ...], message: str) -> None:
    result = compare.run("--config", str(compare.config), *options)

    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", "").split())


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("slow", "'slow' is not key=value"),
        ("provider=openai,modle=x", "unknown key 'modle'; did you mean 'model'?"),
        ("provider=openai", "has no model; add model=..."),
        ("provider=opnai,model=x", "opnai"),
        ("provider=openai,model=x,base_url=nowhere", "base_url=nowhere: base_url: "),
        ("provider=openai,model=x,base_url=http://me:p@ss@h/v1", "base_url=http://...@h/v1: "),
        ("provider=openai,model=x,base_url=http://me:p/ss@h/v1", "base_url=http://...@h/v1: "),
        ("provider=openai,base_url=http://me:p#ss@h/v1", "base_url=http://...@h/v1' has no model"),
        ("provider=openai,model=x,base_url=me:pass@h/v1", "base_url=...@h/v1: "),
        ("provider=openai,model=x,base_url=http://me:p,ss@h/v1", "'...@h/v1' is not key=value"),
        ("provider=openai,base_url=http://h/v1?key=secret", "base_url=http://h/v1?...' has no"),
        ("provider=openai,base_url=http://h/v1#secret", "base_url=http://h/v1#...' has no"),
        ("provider=openai,model=x,sk-a1b2c3d4e5f6g7h8", "'[secret]' is not key=value"),
        ("provider=openai,model=x,api_key_env=sk-1", "api_key_env=...: api_key: must be the name"),
    ],
)
def test_an_invalid_target_is_reported(target: str, message: str) -> None:
    result = Comparing.run("--baseline", target, "--candidate", target)

    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", "").split())


def test_what_an_extra_installs_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)

    result = Comparing.run("--baseline", "a", "--candidate", "b")

    assert result.exit_code == 2
    assert "pip install 'inference-exporter[compare]'" in result.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("", "is not a samples file"),
        ("{}\n", "is not a samples file"),
        ("[]\n", "is not a samples file"),
        ("\xff\n", "is not a samples file"),
    ],
)
def test_a_file_without_samples_is_reported(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "samples.jsonl"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))

    result = Comparing.run("--from-samples", str(path))

    assert result.exit_code == 1
    assert message in result.output


@pytest.mark.parametrize(
    "line",
    [
        '{"target": "slow"}',
        '{"target": "slow", "block": 0, "finished_at": 1e20}',
        '{"target": "slow", "block": 0, "finished_at": 1, "request_duration_seconds": -1}',
        '{"target": "slow", "block": 0, "finished_at": 1, "time_to_first_token_seconds": NaN}',
    ],
)
def test_a_line_that_is_not_a_sample_is_reported(compare: Comparing, line: str) -> None:
    compare("slow", "fast", "-n", "2")
    with compare.samples.open("a") as file:
        file.write(f"{line}\n")

    result = compare.run("--from-samples", str(compare.samples))

    assert result.exit_code == 1
    assert f"{compare.samples}:6: not a sample" in result.output


def most_at_once(served: Sequence[Served]) -> int:
    """Return the largest number of simultaneous requests in the simulator."""
    marks = [(s.received_ns, 1) for s in served] + [(s.ended_ns, -1) for s in served]
    return max(accumulate(step for _, step in sorted(marks)))


def test_so_many_streams_are_asked_at_once_level_by_level(
    simulator: Simulator, compare: Comparing
) -> None:
    before = len(simulator.ledger)
    result = compare("slow", "busy", "--concurrency", "4,1", "-n", "40")

    assert result.exit_code == 0, result.output
    kept = compare.kept()
    levels = [sample["streams"] for sample in kept]
    assert levels == [1] * 80 + [4] * 80
    served = simulator.ledger[before:]
    own = [entry for entry in served if entry.model == "slow"]
    assert most_at_once(own[:40]) == 1
    assert most_at_once(own[40:]) == 4
    turns = [turn for turn, _ in groupby((s["streams"], s["target"]) for s in kept)]
    order = ("slow", "busy", "slow")  # A B B A: the two turns of B are one
    assert turns == [(streams, name) for streams in (1, 4) for name in order]
    load = json.loads(compare.json.read_text())["load"]
    assert [level["streams"] for level in load["levels"]] == [1, 4]
    assert "Streams" in result.stdout


def test_a_limit_of_the_rate_ends_the_level_and_those_after_it(compare: Comparing) -> None:
    result = compare("fast", "limited", "--concurrency", "2,4", "-n", "20")

    asked = Counter((sample["target"], sample["streams"]) for sample in compare.kept())
    assert asked["fast", 2] == asked["fast", 4] == 20
    assert 1 <= asked["limited", 2] <= 2
    assert ("limited", 4) not in asked
    assert "limited limited the rate with 2 streams" in " ".join(result.stdout.split())


def test_requests_under_load_are_bounded(compare: Comparing) -> None:
    result = compare("slow", "fast", "--concurrency", "3,9", "--max-requests", "50")
    assert len(compare.kept()) == 50
    assert "Stopped because --max-requests allows 50." in result.output

    compare.samples.unlink()
    result = compare("slow", "fast", "--concurrency", "8", "--budget", "0.01")
    spent = sum(sample["cost_usd"] for sample in compare.kept())
    assert 0.005 < spent <= 0.01
    assert "the budget of 0.01 USD does not allow another request" in result.output


def test_an_interrupted_comparison_under_load_goes_on_where_it_was(compare: Comparing) -> None:
    options = ("--concurrency", "2", "-n", "8")
    compare("slow", "fast", *options)
    lines = compare.samples.read_text().splitlines(keepends=True)
    compare.samples.write_text("".join(lines[:8]))

    compare("slow", "fast", *options)

    asked = Counter((sample["target"], sample["block"]) for sample in compare.kept())
    assert asked == {(name, block): 2 for name in ("slow", "fast") for block in range(4)}
