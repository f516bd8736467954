"""What can go wrong before a byte is sent: DNS, addresses, refused connections."""

from __future__ import annotations

import asyncio
import socket

import pytest

from exporter.config.plan import Plan, Timeouts
from exporter.config.target import Target
from exporter.kinds import Chat
from exporter.net.transport import Connections
from exporter.probing.probe import run_probe
from exporter.result import FailureReason as R
from exporter.result import ProbeResult
from tests.chaos.script import WHOLE
from tests.limits import PATIENT, limits_for
from tests.process import free_port
from tests.wire import WireServer, wire_server

Address = tuple[socket.AddressFamily, str]
V4, V6 = socket.AF_INET, socket.AF_INET6


def plan_for(url: str, timeouts: Timeouts) -> Plan:
    target = {"name": "t", "provider": "openai", "model": "m", "base_url": f"{url}/v1"}
    return Plan(
        target=Target.model_validate(target),
        probe_name="p",
        probe=Chat(prompt="hello"),
        interval_seconds=60,
        timeouts=timeouts,
        fresh_connection=True,
    )


async def probed(url: str, times: int = 1, timeouts: Timeouts = PATIENT) -> list[ProbeResult]:
    plan = plan_for(url, timeouts)
    connections = Connections(plan.target)
    return [await run_probe(plan, "hello", connections) for _ in range(times)]


def reason(result: ProbeResult) -> R | None:
    return result.failure.reason if result.failure else None


class Names:
    """A name server with a script of answers."""

    def __init__(self, *answers: list[Address] | OSError | float) -> None:
        self._answers = list(answers)

    async def getaddrinfo(
        self, _loop: object, _host: object, port: int, **_: object
    ) -> list[tuple[object, ...]]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, OSError):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = [(V4, "127.0.0.1")]
        kind, protocol = socket.SOCK_STREAM, socket.IPPROTO_TCP
        return [
            (family, kind, protocol, "", (host, port) if family is V4 else (host, port, 0, 0))
            for family, host in answer
        ]

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def answering(*arguments: object, **named: object) -> list[tuple[object, ...]]:
            return await self.getaddrinfo(*arguments, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", answering)


def _named(server: WireServer) -> str:
    return server.url.replace("127.0.0.1", "provider.test")


async def test_nobody_listens() -> None:
    (result,) = await probed(f"http://127.0.0.1:{free_port()}")
    assert reason(result) is R.CONNECT


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure in name resolution"),
        OSError(5, "Input/output error"),
    ],
)
async def test_a_name_that_is_not_found(error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    with wire_server(WHOLE) as server:
        Names(error, [(V4, "127.0.0.1")]).install(monkeypatch)
        results = await probed(_named(server), times=2)
    assert list(map(reason, results)) == [R.DNS, None]


async def test_a_name_server_that_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with wire_server(WHOLE) as server:
        Names(300.0, [(V4, "127.0.0.1")]).install(monkeypatch)
        (slow,) = await probed(_named(server), timeouts=limits_for(R.TIMEOUT_CONNECT))
        (after,) = await probed(_named(server))
    assert (reason(slow), reason(after)) == (R.TIMEOUT_CONNECT, None)


async def test_an_address_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    with wire_server(WHOLE) as server:
        Names([(V6, "::1")], [(V4, "127.0.0.1")]).install(monkeypatch)
        results = await probed(_named(server), times=2)
    assert list(map(reason, results)) == [R.CONNECT, None]


@pytest.mark.parametrize("times", [1, 5])
async def test_ipv6_that_leads_nowhere_beside_ipv4(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wire_server(WHOLE) as server:
        Names([*[(V6, "::1")] * times, (V4, "127.0.0.1")]).install(monkeypatch)
        (result,) = await probed(_named(server))
    assert reason(result) is None


async def test_a_name_without_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    with wire_server(WHOLE) as server:
        Names([], [(V4, "127.0.0.1")]).install(monkeypatch)
        results = await probed(_named(server), times=2)
    assert list(map(reason, results)) == [R.DNS, None]
