"""Probes some plans immediately, without a schedule."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from itertools import cycle, islice

from exporter.config.plan import Plan
from exporter.net.transport import Connections
from exporter.observation import Observation, observed
from exporter.probing.probe import run_probe
from exporter.providers.building import build_models


async def probe_plans(plans: Iterable[Plan], count: int) -> AsyncIterator[Observation]:
    """Probe each plan ``count`` times, one probe after another."""
    for plan in plans:
        build_models([plan.dialect])
        connections = Connections(plan.target)
        texts = cycle(plan.probe.texts)
        try:
            for text in islice(texts, count):
                yield observed(plan, await run_probe(plan, text, connections))
        finally:
            await connections.retire()
