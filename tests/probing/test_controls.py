"""Controls: pages that are almost always up show whether a failure is our network's fault."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import ValidationError

from exporter.config.control import Control
from exporter.config.root import Config
from exporter.metrics.registry import Metrics
from exporter.probing.controls import Controls, seconds_to_answer
from tests.metrics.test_metrics import samples
from tests.process import free_port
from tests.waiting import until
from tests.wire import Act, Step, response, wire_server


def control(url: str, **settings: object) -> Control:
    return Control.model_validate({"name": "c", "url": url, **settings})


@pytest.mark.parametrize(
    ("script", "limit", "reached"),
    [
        pytest.param([response(200, b"hello")], 30, True, id="an answer"),
        pytest.param([response(503, b"")], 30, True, id="whatever it says"),
        pytest.param([Act.RESET], 30, False, id="a connection that is reset"),
        pytest.param([Act.HANG], 0.7, False, id="no answer in time"),
    ],
)
async def test_a_control_is_reached_if_it_answers(
    script: list[Step], limit: float, reached: bool
) -> None:
    with wire_server(script) as server:
        seconds = await seconds_to_answer(control(server.url, timeout=limit))
    assert (seconds is not None) is reached
    assert seconds is None or 0 < seconds < limit


async def test_nobody_there_is_not_reached() -> None:
    assert await seconds_to_answer(control(f"http://127.0.0.1:{free_port()}")) is None


def shown(metrics: Metrics) -> dict[tuple[str, str], float]:
    return {
        (name, labels.get("outcome", "")): number
        for name, labels, number in samples(metrics.everything())
        if labels.get("control") == "c"
    }


async def test_a_control_has_series_of_its_own_for_as_long_as_it_is_configured() -> None:
    metrics = Metrics()
    controls = Controls(metrics.control)
    with wire_server([response(200, b"")]) as server:
        controls.apply([control(server.url, interval="100ms", timeout="30s")])
        await until(lambda: shown(metrics))
        found = shown(metrics)
        controls.apply([])
        metrics.apply_controls([])
        asked = len(server.requests)
        await asyncio.sleep(0.35)
    assert found["inference_exporter_control_last_success", ""] == 1
    assert 0 < found["inference_exporter_control_last_duration_seconds", ""] < 30
    assert found["inference_exporter_control_probes_total", "success"] >= 1
    assert found["inference_exporter_control_probes_total", "failure"] == 0
    assert len(server.requests) <= asked + 1, "one may have been under way"
    assert shown(metrics) == {}


def test_two_controls_cannot_have_one_name() -> None:
    twice = {"name": "c", "url": "https://www.example.com/"}
    with pytest.raises(ValidationError, match="another control is named 'c'; rename one"):
        Config.model_validate({"controls": [twice, twice]})
