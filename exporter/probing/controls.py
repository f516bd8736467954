"""Requests pages that are almost always up, to distinguish a fault of the exporter's own network
from faults of all targets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

import httpx
import structlog

from exporter import USER_AGENT
from exporter.config.control import Control
from exporter.net.exchange import Exchange
from exporter.net.failure import NetworkFailure, OwnFault
from exporter.net.transport import EXCHANGE, KernelTransport
from exporter.probing.deadlines import within
from exporter.probing.grid import hashed, next_on_grid
from exporter.process.task_set import TaskSet
from exporter.result import NANOSECONDS

ControlListener = Callable[[str, float | None], None]
"""Receives the name of a control, and the seconds until it answered. ``None`` if it didn't."""

log = structlog.get_logger(__name__)


class Controls:
    """Requests each control on its own time grid."""

    def __init__(self, listener: ControlListener) -> None:
        self._listener = listener
        self._asking = TaskSet[str, Control](self._keep_asking)

    def apply(self, controls: Iterable[Control]) -> None:
        """Request exactly these controls."""
        self._asking.apply({control.name: control for control in controls})

    def stop(self) -> None:
        """Stop all requests."""
        self._asking.stop()

    async def _keep_asking(self, control: Control) -> None:
        while True:
            phase = hashed(("control", control.name))
            due = next_on_grid(time.time(), phase, control.interval)
            await asyncio.sleep(max(0.0, due - time.time()))
            try:
                self._listener(control.name, await seconds_to_answer(control))
            except OwnFault as fault:  # says nothing about the network
                log.warning("a control couldn't be checked", control=control.name, why=str(fault))
            except Exception:
                log.exception("checking a control crashed", control=control.name)


async def seconds_to_answer(control: Control) -> float | None:
    """Return how long a control takes to answer over a new connection, whatever the answer is.

    Return ``None`` if it doesn't answer in time.

    :raises OwnFault: the exporter itself lacks something, or didn't run.
    """
    began_ns, exchange = time.monotonic_ns(), Exchange()
    headers = {"user-agent": USER_AGENT}
    request = httpx.Request("GET", control.url, headers=headers, extensions={EXCHANGE: exchange})
    try:
        async with (
            within(control.timeout, exchange),
            await KernelTransport.to(control.url, control.tls) as transport,
        ):
            response = await transport.handle_async_request(request)
            await response.aclose()
    except OwnFault:
        raise
    except (NetworkFailure, TimeoutError) as error:
        log.warning("control not reachable", control=control.name, why=str(error) or "too late")
        return None
    answered_ns = exchange.answered or time.monotonic_ns()
    return (answered_ns - began_ns) / NANOSECONDS
