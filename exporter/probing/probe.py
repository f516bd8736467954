"""One probe: the requests of its kind, and one ``ProbeResult``."""

from __future__ import annotations

import asyncio
import secrets

from exporter.config.plan import Plan
from exporter.net.transport import Connections
from exporter.probing.attempt import Attempt
from exporter.result import ProbeResult
from exporter.settings.prompts import NONCE_BYTES


async def run_probe(plan: Plan, text: str, connections: Connections) -> ProbeResult:
    """Probe the target and return the result.

    :param text: the current one of ``plan.probe.texts``. The probe gets a new nonce, so that no
        cache on the way can answer it.
    """
    nonce = secrets.token_hex(NONCE_BYTES)
    results: list[ProbeResult] = []
    for round_ in range(plan.probe.rounds):
        if round_:
            await asyncio.sleep(plan.probe.seconds_between_rounds)
        attempt = Attempt(plan, text, nonce)
        failure = await attempt.carry_out(connections)
        results.append(await attempt.result(failure))
        if failure:
            break
    return plan.probe.together(results)
