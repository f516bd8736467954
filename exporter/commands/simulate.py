"""The command ``simulate``."""

from __future__ import annotations

import asyncio

import click

from exporter.commands.failing import fail
from exporter.commands.serving import listen_option
from exporter.config.web import Web
from exporter.demo import run_simulator


@click.command()
@listen_option("127.0.0.1:9851")
def simulate(listen: str) -> None:
    """Run the provider simulator alone."""
    try:
        asyncio.run(run_simulator(*Web(listen=listen).host_and_port))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        fail(error)
