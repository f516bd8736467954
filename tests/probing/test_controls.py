"""Controls: pages that are almost always up show whether a failure is our network's fault."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from pydantic import ValidationError

from exporter.config.control import Control
from exporter.config.root import Config
from exporter.metrics.registry import Metrics
from exporter.net.failure import OwnFault
from exporter.net.sockets import sockets
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


async def seconds_over_a_stop(answers: bool) -> float | None:
    """Check a control, on a loop that is blocked from the request until its time is up."""
    loop, limit = asyncio.get_running_loop(), 1.0
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        asking = asyncio.create_task(seconds_to_answer(control(url, timeout=limit)))
        connection, _ = await loop.sock_accept(server)
        with connection:
            await loop.sock_recv(connection, 65_536)
            if answers:
                connection.sendall(response(200, b""))
            time.sleep(limit + 0.1)  # noqa: ASYNC251 - as if it was stopped
            return await asking


async def test_an_answer_that_came_while_the_exporter_was_stopped_is_in_time() -> None:
    assert await seconds_over_a_stop(answers=True) is not None


async def test_a_timeout_during_a_stop_of_the_exporter_says_nothing_of_the_network() -> None:
    with pytest.raises(OwnFault, match="didn't run"):
        await seconds_over_a_stop(answers=False)


async def test_a_lack_of_sockets_says_nothing_of_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "limit", 0)
    with wire_server([response(200, b"")]) as server:
        with pytest.raises(OwnFault, match="no file descriptor"):
            await seconds_to_answer(control(server.url))
        metrics = Metrics()
        controls = Controls(metrics.control)
        controls.apply([control(server.url, interval="100ms", timeout="30s")])
        await asyncio.sleep(0.35)
        monkeypatch.setattr(sockets, "limit", None)
        await until(lambda: shown(metrics))
        controls.stop()
    assert shown(metrics)["inference_exporter_control_probes_total", "failure"] == 0


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
