"""Our own probe, for comparison with a provider's SDK."""

from __future__ import annotations

from pathlib import Path

from exporter.config.plan import Plan, Timeouts
from exporter.config.target import Target
from exporter.kinds import Chat, Probe
from exporter.net.transport import Connections
from exporter.probing.probe import run_probe
from exporter.result import ProbeResult
from tests.limits import PATIENT


async def probed(
    provider: str,
    base_url: str,
    *,
    key_file: Path | None = None,
    model: str = "m",
    probe: Probe | None = None,
    timeouts: Timeouts = PATIENT,
    **fields: object,
) -> ProbeResult:
    """Return the result of one probe of a simulated provider.

    :param fields: more settings of the target.
    """
    target = Target.model_validate(
        {
            "name": "contract",
            "provider": provider,
            "model": model,
            "base_url": base_url,
            "api_key": {"file": str(key_file)} if key_file else None,
            **fields,
        }
    )
    plan = Plan(
        target=target,
        probe_name="contract",
        probe=probe or Chat(prompt="Count from 1 to 20."),
        interval_seconds=60.0,
        timeouts=timeouts,
        fresh_connection=True,
    )
    connections = Connections(target)
    try:
        return await run_probe(plan, plan.probe.texts[0], connections)
    finally:
        await connections.retire()
