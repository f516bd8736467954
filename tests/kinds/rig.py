"""Simulated providers that answer one kind of question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exporter.kinds import Kind, Probe
from exporter.providers import PROVIDERS
from exporter.result import ProbeResult
from exporter.simulator import Script, Simulator
from tests.contract.probing import probed

KEY = "sk-simulated"
_PATHS = {"openai": "/v1", "openai_responses": "/v1", "vllm": "/v1", "dashscope": "/api/v1"}


def speakers(kind: Kind) -> list[str]:
    """Return the providers that support this kind."""
    return [name for name, row in PROVIDERS.items() if kind in row.kinds]


def simulator(model: str = "m", **script: Any) -> Simulator:
    """Return a simulator with this model and another one."""
    return Simulator({model: Script(**script), "other": Script()}, api_key=KEY)


async def ask(
    server: Simulator, provider: str, probe: Probe, tmp_path: Path, model: str = "m", key: str = KEY
) -> ProbeResult:
    """Return the result of one probe."""
    file = tmp_path / "key"
    file.write_text(key)
    url = server.url + _PATHS.get(provider, "")
    return await probed(provider, url, key_file=file, model=model, probe=probe)
