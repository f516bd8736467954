"""``init``: what it finds. The result passes check-config."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from exporter.cli import main
from exporter.commands import autodetect
from exporter.config.loading.config_file import load
from exporter.simulator import Simulator, run_in_thread
from exporter.simulator.cast import MODELS


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Clear the environment, and hide all local servers."""
    for it in autodetect._HOSTED.values():  # noqa: SLF001
        for variable in it.variables:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(autodetect, "_PORTS", ())
    monkeypatch.setattr(autodetect, "_OLLAMA_PORT", 1)
    monkeypatch.chdir(tmp_path)


def test_the_keys_in_the_environment_become_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    for it in autodetect._HOSTED.values():  # noqa: SLF001
        monkeypatch.setenv(it.variables[-1], "sk-not-to-be-written")
    ran = CliRunner().invoke(main, ["init"])
    assert ran.exit_code == 0, ran.output
    text = Path("config.yaml").read_text()
    assert "sk-not-to-be-written" not in text + ran.output
    config = load(Path("config.yaml"))
    assert len(config.targets) == len(autodetect._HOSTED)  # noqa: SLF001
    assert all(target.api_key for target in config.targets)
    Path("config.yaml").write_text(text.replace("# price:", "price:").replace("# slo:", "slo:"))
    assert all(target.price and target.slo for target in load(Path("config.yaml")).targets)
    Path("config.yaml").write_text(text)
    assert CliRunner().invoke(main, ["check-config", "--strict", "config.yaml"]).exit_code == 0


def test_the_servers_on_this_host_become_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    with run_in_thread(Simulator({model.name: model.script for model in MODELS})) as simulator:
        port = int(simulator.url.rpartition(":")[2])
        monkeypatch.setattr(autodetect, "_PORTS", (port, 1))
        monkeypatch.setattr(autodetect, "_OLLAMA_PORT", port)
        ran = CliRunner().invoke(main, ["init", "-o", "mine.yaml"])
    assert ran.exit_code == 0, ran.output
    targets = load(Path("mine.yaml")).targets
    assert {target.provider for target in targets} >= {"openai"}
    assert {str(port) in target.endpoint for target in targets} == {True}
    assert f"one of {len(MODELS)} models there" in ran.output, "the reader knows of the others"
    assert ran.output.endswith("To start probing: inference-exporter run --config mine.yaml\n")


def test_without_anything_the_file_shows_what_a_target_looks_like() -> None:
    ran = CliRunner().invoke(main, ["init"])
    assert ran.exit_code == 1
    assert "found no API key in the environment and no model server on this host" in ran.output
    assert ran.stdout.endswith("Add a target to config.yaml; the file has an example.\n")
    assert load(Path("config.yaml")).targets == ()


def test_nothing_is_overwritten_without_force() -> None:
    Path("config.yaml").write_text("mine")
    ran = CliRunner().invoke(main, ["init"])
    assert ran.exit_code == 1
    assert "already exists; use --force to overwrite it" in ran.output
    assert Path("config.yaml").read_text() == "mine"
    CliRunner().invoke(main, ["init", "--force"])
    assert load(Path("config.yaml")).targets == ()
