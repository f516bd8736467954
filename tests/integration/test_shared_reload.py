"""Reloads that are requested while another one waits for its turn."""

from __future__ import annotations

import asyncio
import gc
import signal

import pytest
import structlog

from exporter.app import Exporter
from exporter.config.root import Config
from exporter.settings.mistakes import ConfigError, Mistake
from tests.slow_source import SlowSource
from tests.waiting import until


def slow_source() -> SlowSource:
    config = Config.model_validate({"web": {"listen": "127.0.0.1:0"}, "targets": []})
    return SlowSource(config, config)


async def test_a_flood_of_reloads_is_two_reloads() -> None:
    """One is under way, and all others share the next, which reads what was written since."""
    source, started = slow_source(), asyncio.Event()
    exporter = Exporter(source)
    running = asyncio.create_task(exporter.run(lambda _url: started.set()))
    await started.wait()
    first = asyncio.create_task(exporter.reload())
    await asyncio.to_thread(source.loading.wait, 20)
    others = [asyncio.create_task(exporter.reload()) for _ in range(100)]
    await asyncio.sleep(0)
    source.may_load.set()
    await asyncio.gather(first, *others)
    assert source.loaded == 3
    await exporter.reload()
    assert source.loaded == 4
    signal.raise_signal(signal.SIGTERM)
    await running


async def test_targets_are_probed_one_after_another_and_a_reload_moves_none() -> None:
    def configured(*numbers: int) -> Config:
        target = {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1"}
        return Config.model_validate(
            {
                "web": {"listen": "127.0.0.1:0"},
                "defaults": {"interval": "1h"},
                "targets": [{"name": f"t{number}", **target} for number in numbers],
            }
        )

    source = SlowSource(configured(*range(10)), configured(99, *range(10)))
    started = asyncio.Event()
    source.may_load.set()
    exporter = Exporter(source)
    running = asyncio.create_task(exporter.run(lambda _url: started.set()))
    await started.wait()
    first = {row.plan.target.name: row.plan.phase.part for row in exporter.status.rows()}
    assert len({int(part * 6) for part in first.values()}) == 6
    await exporter.reload()
    second = {row.plan.target.name: row.plan.phase.part for row in exporter.status.rows()}
    assert len(set(second.values())) == 11
    assert first.items() < second.items()
    signal.raise_signal(signal.SIGTERM)
    await running


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (ConfigError([Mistake("unknown key")]), "configuration not reloaded"),
        (ZeroDivisionError("a bug"), "reload crashed"),
    ],
    ids=["mistake", "crash"],
)
async def test_a_reload_that_fails_when_nobody_waits_any_more_is_logged_once(
    mistake: Exception, said: str
) -> None:
    source, complaints = slow_source(), list[object]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    exporter = Exporter(source)
    source.mistake = mistake
    with structlog.testing.capture_logs() as logs:
        only = asyncio.create_task(exporter.reload())
        await asyncio.to_thread(source.loading.wait, 20)
        only.cancel()
        source.may_load.set()
        await asyncio.wait({only})
        await until(lambda: logs)
        await asyncio.sleep(0.01)
    gc.collect()
    assert not complaints
    assert [line["event"].startswith(said) for line in logs] == [True]
