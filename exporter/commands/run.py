"""The command ``run``."""

from __future__ import annotations

from pathlib import Path

import click

from exporter.app import Exporter
from exporter.cluster.sharding import Shard
from exporter.cluster.source import FileSource
from exporter.commands.configured import CONFIG
from exporter.commands.serving import serve


def _shard(_context: click.Context, _option: click.Parameter, text: str) -> Shard:
    try:
        return Shard.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.option("--config", "path", type=CONFIG, required=True, help="YAML configuration file.")
@click.option(
    "--shard",
    default="0/1",
    show_default=True,
    metavar="I/N",
    callback=_shard,
    help="Probe the I-th of N parts of the targets; auto/N: I is the host name's last number.",
)
def run(path: Path, shard: Shard) -> None:
    """Probe all configured targets, and serve the metrics.

    The same port serves the status pages and the API.
    """
    serve(_run_exporter(path, shard), "web.listen")


async def _run_exporter(path: Path, shard: Shard) -> None:
    await Exporter(FileSource(path, shard)).run(on_started=lambda url: None)
