"""What is still in progress when the exporter stops."""

from __future__ import annotations

import asyncio
import signal

from exporter.app import Exporter
from exporter.config.root import Config
from tests.slow_source import SlowSource


def configuration(*names: str) -> Config:
    targets = [
        {
            "name": name,
            "provider": "vllm",  # its boots are watched by default
            "model": "m",
            "base_url": "http://127.0.0.1:1/v1",
            "cold_start": {"idle": "10m"},
            "interval": "1h",
        }
        for name in names
    ]
    return Config.model_validate({"web": {"listen": "127.0.0.1:0"}, "targets": targets})


async def test_a_reload_under_way_begins_nothing_once_the_exporter_stops() -> None:
    source = SlowSource(configuration("a"), configuration("a", "b"))
    started = asyncio.Event()
    exporter = Exporter(source)
    running = asyncio.create_task(exporter.run(lambda _url: started.set()))
    await started.wait()
    reloading = asyncio.create_task(exporter.reload())
    await asyncio.to_thread(source.loading.wait, 20)
    signal.raise_signal(signal.SIGTERM)
    while exporter.ready:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)
    source.may_load.set()
    await asyncio.gather(running, reloading)
    assert [row.plan.target.name for row in exporter.status.rows()] == ["a"]
    left = {task for task in asyncio.all_tasks() if not task.cancelling()}
    assert left == {asyncio.current_task()}
