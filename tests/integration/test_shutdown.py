"""What is still in progress when the exporter stops."""

from __future__ import annotations

import asyncio
import signal
import threading

from exporter.app import Exporter
from exporter.config.root import Config
from exporter.metrics.series import Series


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


class SlowSource:
    """Discovers one target at once, and a second one on request."""

    def __init__(self) -> None:
        self._loaded = 0
        self.loading, self.may_load = threading.Event(), threading.Event()

    def load(self) -> Config:
        self._loaded += 1
        if self._loaded == 1:
            return configuration("a")
        self.loading.set()
        assert self.may_load.wait(20)
        return configuration("a", "b")

    def fingerprint(self) -> object:
        return None

    def report(self, _series: Series) -> None:
        """Do nothing, because there is nothing to report."""


async def test_a_reload_under_way_begins_nothing_once_the_exporter_stops() -> None:
    source, started = SlowSource(), asyncio.Event()
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
