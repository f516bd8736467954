"""A renamed key still works, with a warning that names its location."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner

from exporter.cli import main
from exporter.config.loading import config_file, deprecated
from exporter.config.loading.deprecated import EACH, Renamed, renewed
from exporter.settings.mistakes import ConfigError

RENAMED = (
    Renamed(("pause",), "web", until="2.0"),  # a whole section
    Renamed(("defaults", "every"), "interval", until="2.0"),
    Renamed(("targets", EACH, "llm"), "model", until="2.0"),
    Renamed(("probes", EACH, "tokens"), "max_output_tokens", until="2.0"),
)
OLD = """
defaults: {every: 30s}
probes:
  short: {prompt: Count., tokens: 5}
targets:
  - {name: a, provider: openai, model: m}
  - {name: b, provider: openai, llm: m}
target_files: [more.yml]
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(deprecated, "RENAMED", RENAMED)
    monkeypatch.setattr(config_file, "log", structlog.get_logger())  # used ones are not captured
    (tmp_path / "config.yaml").write_text(OLD)
    (tmp_path / "more.yml").write_text("- name: c\n  provider: openai\n  llm: m\n")
    return tmp_path / "config.yaml"


def test_old_names_are_read_everywhere(config: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        loaded = config_file.load(config)
    assert loaded.defaults.interval == 30
    assert [target.model for target in loaded.targets] == ["m", "m", "m"]
    assert loaded.probes["short"].model_dump()["max_output_tokens"] == 5
    told = [entry["where"] for entry in logs]
    assert len(told) == 4
    assert told[0] == (
        f"{config}:2: defaults.every: is now called defaults.interval; the old name stops working"
        " in version 2.0"
    )
    assert f"{config.parent}/more.yml:3: [0].llm: is now called" in told[2]


def test_check_config_warns_and_strict_fails(config: Path) -> None:
    result = CliRunner().invoke(main, ["check-config", str(config)])
    assert result.exit_code == 0
    assert "warning: " in result.output
    assert "targets[1].llm: is now called targets[1].model" in result.output
    assert CliRunner().invoke(main, ["check-config", "--strict", str(config)]).exit_code == 1


def test_both_names_at_once_are_a_mistake(config: Path) -> None:
    config.write_text("defaults: {every: 30s, interval: 40s}")
    with pytest.raises(ConfigError, match=r"defaults\.every: unknown key"):
        config_file.load(config)


def test_what_has_no_old_name_is_left_as_it_is() -> None:
    values = {"targets": "nonsense", "defaults": [1, {"every": 3}], "probes": {"short": None}}
    assert renewed(values, RENAMED) == values


@pytest.mark.parametrize("version", ["2", "0", "'x'"])
def test_a_form_of_another_version_is_refused(version: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"version: {version}\ntargets: []\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:1: version: "):
        config_file.load(path)
    path.write_text("version: 1\ntargets: []\n")
    assert config_file.load(path).version == 1
