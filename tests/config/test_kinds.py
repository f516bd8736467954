"""Kinds in the configuration: the available ones, their keys, and the providers that support
them."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from exporter.commands.check_report import report
from exporter.config.loading.config_file import ConfigError, load
from exporter.config.root import Config
from exporter.kinds import Chat, Models
from exporter.providers import PROVIDERS
from tests.house.test_docs import SCHEMA

ONE = "name: a, provider: openai, model: m"


def mistakes(folder: Path, text: str) -> list[str]:
    file = folder / "config.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    return [str(mistake).removeprefix(f"{folder}/") for mistake in caught.value.mistakes]


def test_the_kind_is_chat_where_it_is_not_set() -> None:
    config = Config.model_validate({"probes": {"a": {"prompt": "hi"}, "b": {"kind": "models"}}})
    assert isinstance(config.probes["a"], Chat)
    assert isinstance(config.probes["b"], Models)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "probes: {p: {kind: modles}}",
            "config.yaml:1: probes.p.kind: unknown kind 'modles'; did you mean 'models'?",
        ),
        (
            "probes: {p: {kind: 7}}",
            "config.yaml:1: probes.p.kind: unknown kind '7'; use one of chat, ",
        ),
        (
            "probes: {p: {kind: models, prompt: hi}}",
            "config.yaml:1: probes.p.prompt: belongs to kind 'chat', not 'models'; remove it",
        ),
        (
            "probes: {p: {kind: models, promt: hi}}",
            "config.yaml:1: probes.p.promt: unknown key; use one of kind, interval",
        ),
        (
            "probes: {p: {kind: chat, prompt: hi, regx: hi}}",
            "config.yaml:1: probes.p.regx: unknown key; use one of kind, interval, prompt",
        ),
        ("probes: {p: [1]}", "config.yaml:1: probes.p: must be a mapping of keys to values"),
    ],
)
def test_a_mistake_in_a_probe_names_key_and_kind(text: str, mistake: str, tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, text)
    assert found.startswith(mistake)


def test_a_provider_is_asked_only_what_it_speaks(tmp_path: Path) -> None:
    text = """\
probes: {p: {kind: rerank}}
targets:
  - {name: a, provider: azure, base_url: "https://r.openai.azure.com", model: m, probes: [p]}
  - {name: b, provider: azure, base_url: "https://r.openai.azure.com", model: m}
  - {name: c, provider: openai, model: m}
"""
    why = "probe 'p' is of kind 'rerank', which provider 'azure' does not support; it supports "
    why += ", ".join(PROVIDERS["azure"].kinds)
    assert mistakes(tmp_path, text) == [
        f"config.yaml:3: targets[0].probes[0]: {why}; remove it",
        f"config.yaml:4: targets[1]: {why}; list the probes for this target under probes",
    ]


def test_a_template_of_targets_is_asked_only_what_it_speaks(tmp_path: Path) -> None:
    text = """\
probes: {p: {kind: rerank}}
kubernetes_discovery:
  - role: pod
    port: 8000
    selector: app=vllm
    target: {provider: azure, base_url: "http://{address}", model: m, probes: [p]}
"""
    (mistake,) = mistakes(tmp_path, text)
    assert "kubernetes_discovery[0].target" in mistake
    assert "which provider 'azure' does not support" in mistake


@pytest.mark.parametrize(
    ("probe", "valid"),
    [
        ({"prompt": "hi"}, True),
        ({"kind": "chat", "prompt": "hi"}, True),
        ({"kind": "models"}, True),
        ({"kind": "models", "interval": "30s"}, True),
        ({"kind": "models", "prompt": "hi"}, False),
        ({"kind": "model"}, False),
    ],
)
def test_the_schema_tells_kinds_apart(probe: dict[str, str], valid: bool) -> None:
    document = {"probes": {"p": probe}}
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(document) is valid


def test_a_list_of_models_costs_nothing_and_has_an_interval_of_its_own() -> None:
    config = Config.model_validate(
        {
            "probes": {
                "short": {"prompt": "hi", "interval": "10m"},
                "listed": {"kind": "models"},
            },
            "targets": [
                {
                    "name": "a",
                    "provider": "openai",
                    "model": "m",
                    "price": {"input": 1, "output": 1},
                }
            ],
        }
    )
    chat, models = config.plans()
    assert (chat.interval_seconds, models.interval_seconds) == (600, 60)
    (row,) = (line for line in report(config).splitlines() if line.startswith("a "))
    assert "short every 10m, listed every 1m" in row
    assert "1,584" in row  # 144 chats and 1,440 lists
    alone = config.model_copy(update={"probes": {"short": config.probes["short"]}})
    tokens = row.split()[-4:]
    assert tokens == report(alone).splitlines()[1].split()[-4:]
