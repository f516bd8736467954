"""One incident, one message: what a real Alertmanager sends for all alerts of each incident."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.integration.alertmanager import OnCall, alertmanager, on_call
from tests.process import eventually

pytestmark = pytest.mark.slow

TARGET = {"job": "inference", "instance": "here:9850", "target": "openai-mini", "probe": "short"}
BURN = {"job": "inference", "target": "openai-mini", "slo": "success"}
CRITICAL, WARNING = {"severity": "critical"}, {"severity": "warning"}
LATE = {"slo": "time_to_first_token"}

Fires = tuple[str, dict[str, str]]
FAILING: tuple[Fires, ...] = (
    ("InferenceErrorsHigh", TARGET | CRITICAL),
    ("InferenceErrorBudgetBurnsFast", BURN | CRITICAL),
    ("InferenceErrorBudgetBurnsSlowly", BURN | WARNING),
)
INCIDENTS: dict[str, tuple[str, tuple[Fires, ...]]] = {
    "every probe gets 429": (
        "InferenceTargetDown",
        (
            ("InferenceTargetDown", TARGET | CRITICAL),
            ("InferenceThrottled", TARGET | CRITICAL),
            *FAILING,
        ),
    ),
    "a third of the probes gets 429": (
        "InferenceThrottled",
        (("InferenceThrottled", TARGET | CRITICAL), *FAILING),
    ),
    "a quarter of the probes gets 500": ("InferenceErrorsHigh", FAILING),
    "a tenth of the answers is wrong": (
        "InferenceWrongAnswers",
        (("InferenceWrongAnswers", TARGET | CRITICAL), *FAILING),
    ),
    "a model is withdrawn": (
        "InferenceModelUnlisted",
        (
            ("InferenceModelUnlisted", TARGET | {"probe": "listed"} | CRITICAL),
            ("InferenceTargetDown", TARGET | CRITICAL),
            *FAILING,
        ),
    ),
    "a tenth of the calls is missing": (
        "InferenceToolCallsFail",
        (
            ("InferenceToolCallsFail", TARGET | CRITICAL),
            ("InferenceWrongAnswers", TARGET | CRITICAL),
            *FAILING,
        ),
    ),
    "a tenth of the documents' orders is wrong": (
        "InferenceRankingWrong",
        (
            ("InferenceRankingWrong", TARGET | CRITICAL),
            ("InferenceWrongAnswers", TARGET | CRITICAL),
            *FAILING,
        ),
    ),
    "a server boots for too long": (
        "InferenceModelNotReady",
        (
            ("InferenceModelNotReady", TARGET | CRITICAL),
            ("InferenceTargetDown", TARGET | CRITICAL),
            *FAILING,
        ),
    ),
    "the first token takes twice as long": (
        "InferenceFirstTokenSlow",
        (
            ("InferenceFirstTokenSlow", TARGET | CRITICAL),
            ("InferenceFirstTokenSlower", TARGET | WARNING),
            ("InferenceOutputSlower", TARGET | WARNING),
            ("InferenceErrorBudgetBurnsFast", BURN | LATE | CRITICAL),
            ("InferenceErrorBudgetBurnsSlowly", BURN | LATE | WARNING),
        ),
    ),
    "the exporter's network is down": (
        "InferenceVantagePointDegraded",
        (
            (
                "InferenceVantagePointDegraded",
                {"job": "inference", "instance": "here:9850", "problem": "failing"} | CRITICAL,
            ),
            *(
                ("InferenceTargetDown", TARGET | {"target": name} | CRITICAL)
                for name in ("openai-mini", "claude", "qwen", "gemini")
            ),
            *FAILING,
        ),
    ),
    "an error budget burns, of which nothing else tells": (
        "InferenceErrorBudgetBurnsFast",
        (
            ("InferenceErrorBudgetBurnsFast", BURN | CRITICAL),
            ("InferenceErrorBudgetBurnsSlowly", BURN | WARNING),
        ),
    ),
    "the exporter is gone": (
        "InferenceExporterAbsent",
        (
            (
                "InferenceExporterAbsent",
                {"job": "inference", "instance": "here:9850"} | CRITICAL,
            ),
        ),
    ),
}


@pytest.mark.parametrize("incident", INCIDENTS)
def test_an_incident_is_told_once_and_by_its_cause(
    incident: str, tool: Callable[[str], Path], tmp_path: Path
) -> None:
    cause, fires = INCIDENTS[incident]
    alerts = [
        {"labels": {"alertname": name, **labels}, "annotations": {"summary": name}}
        for name, labels in fires
    ]
    with on_call() as (person, url), alertmanager(tool("alertmanager"), tmp_path, url) as port:
        address = f"http://127.0.0.1:{port}"
        eventually(lambda: httpx.get(f"{address}/-/ready").is_success)
        httpx.post(f"{address}/api/v2/alerts", json=alerts).raise_for_status()
        eventually(lambda: person.calls)
        time.sleep(3)  # three group intervals, in which a second message would come
        held = httpx.get(f"{address}/api/v2/alerts", params={"active": "false"}).json()
    _log(incident, person, len(held))
    assert [call.labels["alertname"] for call in person.calls] == [cause]
    assert len(held) == len(fires) - 1


def test_a_target_of_the_same_name_in_another_namespace_is_another_target(
    tool: Callable[[str], Path], tmp_path: Path
) -> None:
    alerts = [
        {"labels": {"alertname": name, "namespace": namespace, **TARGET, **CRITICAL}}
        for name, namespace in (
            ("InferenceTargetDown", "theirs"),
            ("InferenceFirstTokenSlow", "theirs"),
            ("InferenceFirstTokenSlow", "ours"),
        )
    ]
    with on_call() as (person, url), alertmanager(tool("alertmanager"), tmp_path, url) as port:
        address = f"http://127.0.0.1:{port}"
        eventually(lambda: httpx.get(f"{address}/-/ready").is_success)
        httpx.post(f"{address}/api/v2/alerts", json=alerts).raise_for_status()
        eventually(lambda: len(person.calls) == 2)
    assert {(call.labels["alertname"], call.labels["namespace"]) for call in person.calls} == {
        ("InferenceTargetDown", "theirs"),
        ("InferenceFirstTokenSlow", "ours"),
    }


def _log(incident: str, person: OnCall, inhibited: int) -> None:
    """Print what was sent. To see it, run `pytest -s`."""
    for call in person.calls:
        what = call.labels["alertname"], call.labels.get("target", call.labels.get("instance"))
        told = " ".join(map(str, what))
        sys.stdout.write(f"{incident}: {call.receiver} <- {told}; held back: {inhibited}\n")
