"""The commands, one module each. Only the requested command is imported: an exporter that runs as a
sidecar has no memory to spare for simulators and reports."""

from __future__ import annotations

import gc
from collections import UserDict
from importlib import import_module
from typing import Any

import click


class LazyCommands(UserDict[str, Any]):
    """Where commands are (``module:name``), by what they are called; what is looked up is the
    command itself. A group takes this in place of a dictionary of commands."""

    def __getitem__(self, name: str) -> click.Command:
        module, _, attribute = super().__getitem__(name).partition(":")
        gc.disable()  # what is imported stays: to look through it takes a fifth of the start
        try:
            command: click.Command = getattr(import_module(module), attribute)
        finally:
            gc.freeze()
            gc.enable()
        return command


COMMANDS = LazyCommands(
    {
        "init": "exporter.commands.init:init",
        "run": "exporter.commands.run:run",
        "demo": "exporter.commands.demo:demo",
        "simulate": "exporter.commands.simulate:simulate",
        "check-config": "exporter.commands.check_config:check_config",
        "config-schema": "exporter.commands.config_schema:config_schema",
        "probe": "exporter.commands.probe:probe",
        "compare": "exporter.compare.command:compare",
        "top": "exporter.oncall.top:top",
        "mcp": "exporter.oncall.command:mcp",
    }
)
