"""check-config reports objectives that a target has too few probes for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.commands import check_objectives
from exporter.commands.check_objectives import objective_warnings
from exporter.config.root import Config

ALERTS = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"


def warnings(slo: dict[str, Any], **fields: Any) -> list[str]:
    target = {"name": "a", "provider": "openai", "model": "m", "slo": slo, **fields}
    probes: dict[str, Any] = {
        name: {"prompt": "x", "max_output_tokens": 9} for name in ("one", "two", "three")
    }
    probes["listing"] = {"kind": "models", "interval": "30s"}
    settings = {"targets": [{"probes": ["one"], **target}], "probes": probes}
    return list(objective_warnings(Config.model_validate(settings).plans()))


def test_a_strict_objective_comes_with_the_number_of_probes_it_needs() -> None:
    (warning,) = warnings({"success_ratio": 0.999}, interval="60s")
    assert warning == (
        "warning: target a: slo success 0.999 is too strict for a probe every 1m:"
        " the alert on a fast burn needs 3 bad probes in an hour, which is 5 % of all;"
        " probe every 17s or lower it to 0.9965"
    )


@pytest.mark.parametrize(
    ("slo", "fields"),
    [
        ({"success_ratio": 0.99}, {"interval": "60s"}),
        ({"success_ratio": 0.999}, {"interval": "17s"}),
        ({"success_ratio": 0.9965}, {"interval": "60s"}),
        ({"success_ratio": 0.999}, {"interval": "51s", "probes": ["one", "two", "three"]}),
        ({"time_to_first_token": {"threshold": "1s", "ratio": 0.95}}, {"interval": "10m"}),
    ],
)
def test_what_the_probes_can_tell_is_no_warning(
    slo: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert warnings(slo, **fields) == []


@pytest.mark.parametrize("interval", ["20s", "1m", "7m", "1h"])
@pytest.mark.parametrize("ratio", [0.9995, 0.99995])
def test_what_is_advised_would_not_be_warned_of(interval: str, ratio: float) -> None:
    (warning,) = warnings({"success_ratio": ratio}, interval=interval)
    advice = warning.rpartition("; ")[2].split(" or ")
    for word in advice:
        value = word.split()[-1]
        if word.startswith("probe every"):
            assert warnings({"success_ratio": ratio}, interval=value) == []
        else:
            assert warnings({"success_ratio": float(value)}, interval=interval) == []


FIRST_TOKEN = {"time_to_first_token": {"threshold": "1s", "ratio": 0.98}}


def test_only_probes_that_an_objective_applies_to_count_for_it() -> None:
    slow_chat = {"interval": "10m", "probes": ["one"]}
    (alone,) = warnings(FIRST_TOKEN, **slow_chat)
    assert warnings(FIRST_TOKEN, **{**slow_chat, "probes": ["one", "listing"]}) == [alone]
    assert warnings({"success_ratio": 0.98}, **{**slow_chat, "probes": ["one", "listing"]}) == []


def test_an_objective_that_no_probe_can_meet_has_a_warning() -> None:
    assert warnings(FIRST_TOKEN, probes=["listing"]) == [
        "warning: target a: slo time_to_first_token needs a streamed probe"
    ]


def test_the_figures_are_the_alerts_own() -> None:
    rules = [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]
    (fast,) = [r["expr"] for r in rules if r.get("alert") == "InferenceErrorBudgetBurnsFast"]
    assert f"ratio_rate5m > {check_objectives.FAST_BURN}\n" in fast
    assert f"increase1h > {check_objectives.LEAST_BAD_PROBES - 0.5}\n" in fast
