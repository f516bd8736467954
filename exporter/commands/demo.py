"""The command ``demo``."""

from __future__ import annotations

import click

from exporter.commands.serving import listen_option, serve
from exporter.demo import run_demo


@click.command()
@listen_option("127.0.0.1:9850")
def demo(listen: str) -> None:
    """Run against simulated providers, without any keys.

    It needs no configuration and no network access.
    """
    serve(run_demo(listen), "--listen")
