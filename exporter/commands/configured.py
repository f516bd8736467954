"""Helpers for commands that read a configuration."""

from __future__ import annotations

from pathlib import Path

import click

from exporter.commands.failing import fail
from exporter.config.loading import config_file
from exporter.config.root import Config
from exporter.settings.mistakes import ConfigError

CONFIG = click.Path(path_type=Path)


def load(path: Path) -> Config:
    """The configuration in a file. If it has errors, prints them and exits with code 1."""
    try:
        return config_file.load(path)
    except ConfigError as error:
        fail(error)
