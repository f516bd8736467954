"""``probe --fail-on slo``: a gate for pipelines, which also says when it can't decide."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from exporter.cli import main
from exporter.config.slo import CHANCE, Objective, SloVerdict, Tally
from exporter.simulator import Script, Simulator
from exporter.simulator.faults import Disconnect
from exporter.simulator.thread import run_in_thread


def run(*arguments: str | int | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    good = Script(first_token_seconds=0.001, token_gap_seconds=0.0)
    broken = replace(good, fault=Disconnect(after_tokens=1), fault_ratio=1.0)
    scripts = {"good": good, "broken": broken}
    with run_in_thread(Simulator(scripts)) as simulator:
        yield f"{simulator.url}/v1"


@pytest.fixture
def config(tmp_path: Path, url: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(f"""
defaults: {{max_uncertainty: 30s}}
probes: {{p: {{prompt: Count.}}}}
targets:
  - {{name: good, provider: openai, model: good, base_url: '{url}',
     slo: {{success_ratio: 0.8, time_to_first_token: {{threshold: 25s, ratio: 0.999}}}}}}
  - {{name: broken, provider: openai, model: broken, base_url: '{url}',
     slo: {{success_ratio: 0.8}}}}
  - {{name: other, provider: openai, model: none, base_url: '{url}'}}
""")
    return path


def test_a_target_that_breaks_its_objective_fails_the_pipeline(config: Path) -> None:
    junit = config.parent / "junit.xml"
    done = run("probe", "--config", config, "--fail-on", "slo", "--junit", junit)
    assert done.exit_code == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(
        "kept             good/p  success: 100 % of 20 (90 % interval: 86 % to"
    )
    assert lines[1].startswith("not enough data  good/p  time to first token within 25.00 s: 100 %")
    assert lines[1].endswith("2995 good probes in a row would be enough")
    assert lines[2].startswith("broken           broken/p  success: 0 % of 20")
    assert lines[3].startswith("  20 truncated, most often: ")
    assert len(lines) == 4, "a target without objectives is not asked"
    good, broken = ElementTree.parse(junit).getroot()  # noqa: S314  it is our own
    assert (good.get("failures"), good.get("skipped")) == ("0", "1")
    assert broken.find("testcase/failure") is not None


def test_what_cannot_be_told_fails_it_only_if_asked_to(config: Path) -> None:
    ask = ("probe", "--config", config, "--target", "good", "-n", "3", "--json")
    done = run(*ask, "--fail-on", "slo")
    assert done.exit_code == 0, done.stderr
    (target,) = json.loads(done.stdout)["targets"]
    assert target["target"] == "good"
    assert {each["verdict"] for each in target["objectives"]} == {"not enough data"}
    assert run(*ask, "--fail-on", "unknown").exit_code == 1


def test_an_objective_is_asked_only_of_probes_that_it_applies_to(tmp_path: Path, url: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"""
defaults: {{max_uncertainty: 30s}}
probes: {{p: {{prompt: Count.}}, listing: {{kind: models}}}}
targets:
  - {{name: good, provider: openai, model: good, base_url: '{url}', probes: [p, listing],
     slo: {{time_to_first_token: {{threshold: 25s, ratio: 0.8}}}}}}
""")
    done = run("probe", "--config", path, "--fail-on", "unknown")
    assert done.exit_code == 0, done.stdout
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["good/p"]


def test_a_target_that_only_fails_does_not_pass_for_want_of_times(tmp_path: Path, url: str) -> None:
    path, junit = tmp_path / "config.yaml", tmp_path / "junit.xml"
    path.write_text(f"""
probes: {{p: {{prompt: Count.}}}}
targets:
  - {{name: broken, provider: openai, model: broken, base_url: '{url}',
     slo: {{time_to_first_token: {{threshold: 25s, ratio: 0.5}}}}}}
""")
    done = run("probe", "--config", path, "--fail-on", "slo", "-n", 6, "--junit", junit)
    assert done.exit_code == 1, done.stderr
    assert done.stdout.startswith(
        "broken           broken/p  time to first token within 25.00 s: 0 % of 6"
    )
    (suite,) = ElementTree.parse(junit).getroot()  # noqa: S314  it is our own
    assert suite.get("failures") == "1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "other"], "no target has an slo that its probes can meet; add one"),
        (["--target", "nobody"], "no target is named 'nobody'"),
    ],
)
def test_without_objectives_there_is_no_gate(
    config: Path, arguments: list[str], message: str
) -> None:
    done = run("probe", "--config", config, "--fail-on", "slo", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr


@pytest.mark.parametrize(("good", "judged"), [(0, 5), (3, 5), (5, 5), (90, 100), (720, 720)])
def test_the_bounds_and_the_verdict_say_the_same(good: int, judged: int) -> None:
    low, high = Tally(Objective("success", 0.5), good, judged).bounds
    assert low <= good / judged <= high
    for ratio, verdict in ((low * 0.999, SloVerdict.KEPT), (high * 1.001, SloVerdict.BROKEN)):
        if 0 < ratio < 1:
            assert Tally(Objective("success", ratio), good, judged).verdict is verdict
    assert CHANCE == 0.05, "so that both bounds together leave 90 %"
