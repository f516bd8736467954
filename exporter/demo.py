"""Runs the exporter against simulated providers, without keys, network access, or configuration."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import click

from exporter.app import Exporter
from exporter.config.root import Config
from exporter.metrics.series import Series
from exporter.simulator import Script, Simulator, run_in_thread
from exporter.simulator.cast import MODELS
from exporter.simulator.faults import Fault

INTERVAL = "5s"
KEY_VARIABLE = "SIMULATED_API_KEY"
"""The simulator accepts any value. Without one, a probe would look for real credentials."""
_NO_FAULTS: Mapping[str, Fault] = MappingProxyType({})
_LISTENS_AFTER_SECONDS = 8.0
_RESTARTS_EVERY_SECONDS = 120.0


class Fixed:
    """A configuration that never changes."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def load(self) -> Config:
        return self._config

    def fingerprint(self) -> object:
        return None

    def report(self, series: Series) -> None:
        """A fixed configuration has no metrics."""


async def run_demo(listen: str) -> None:
    """Probe simulated providers until SIGTERM or SIGINT.

    :param listen: ``HOST:PORT`` of the exporter's own pages.
    :raises WebError: the exporter cannot listen there.
    """
    os.environ[KEY_VARIABLE] = "simulated-key"
    hosted = Simulator(cast_scripts(restarts=False))
    own = Simulator(cast_scripts(restarts=True), listen_after_seconds=_LISTENS_AFTER_SECONDS)
    with run_in_thread(hosted), run_in_thread(own, alongside=_restart_now_and_then):
        await Exporter(Fixed(demo_config(listen, hosted.url, own.url))).run(_say_where)


async def _restart_now_and_then(simulator: Simulator) -> None:
    while True:
        await asyncio.sleep(_RESTARTS_EVERY_SECONDS)
        await simulator.restart()


async def run_simulator(host: str, port: int, faults: Mapping[str, Fault] = _NO_FAULTS) -> None:
    """Serve only the demo's providers, until cancelled.

    :param faults: the fault of every request to a model, by model name.
    :raises ValueError: a fault names an unknown model.
    :raises OSError: the simulator cannot listen on the address.
    """
    scripts = cast_scripts(restarts=False) | cast_scripts(restarts=True)
    for name, fault in faults.items():
        if name not in scripts:
            raise ValueError(f"no model is named {name!r}; the models are {', '.join(scripts)}")
        scripts[name] = replace(scripts[name], fault=fault, fault_ratio=1.0)
    async with Simulator(scripts, host=host, port=port) as simulator:
        for model in MODELS:
            click.echo(f"{model.provider}: {model.name} at {simulator.url}{model.path}")
        await asyncio.Event().wait()


def cast_scripts(*, restarts: bool) -> dict[str, Script]:
    """The scripts of the models that restart, or of the others."""
    return {model.name: model.script for model in MODELS if model.restarts is restarts}


def demo_config(listen: str, hosted_url: str, own_url: str | None = None) -> Config:
    """The demo's models as targets.

    :param own_url: URL of the server that restarts; defaults to ``hosted_url``.
    """
    own_url = own_url or hosted_url
    return Config.model_validate(
        {
            "web": {"listen": listen},
            "defaults": {"interval": INTERVAL},
            "targets": [
                {
                    "name": model.name,
                    "provider": model.provider,
                    "model": model.name,
                    "base_url": (own_url if model.restarts else hosted_url) + model.path,
                    "api_key": {"env": KEY_VARIABLE},
                    "labels": model.labels,
                    "price": model.price or None,
                    **model.settings,
                }
                for model in MODELS
            ],
        }
    )


def _say_where(url: str) -> None:
    click.echo(f"Probing {len(MODELS)} simulated models every {INTERVAL}.")
    click.echo(f"  status page  {url}/")
    click.echo(f"  metrics      {url}/metrics")
    click.echo("Press Ctrl+C to stop.")
