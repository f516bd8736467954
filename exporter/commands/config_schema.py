"""The command ``config-schema``."""

from __future__ import annotations

import click

from exporter.config.loading.schema import json_schema


@click.command("config-schema")
def config_schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    click.echo(json_schema())
