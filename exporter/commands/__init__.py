"""The commands, one module each.

Only the requested command is imported, so that an exporter in a sidecar doesn't spend memory on
simulators and reports.
"""

from __future__ import annotations

import gc
from collections import UserDict
from pkgutil import resolve_name
from typing import Any

import click


class LazyCommands(UserDict[str, Any]):
    """A mapping of command names to commands, for click groups, which imports each command when it
    is looked up. It is created from locations (``module:name``)."""

    def __getitem__(self, name: str) -> click.Command:
        location = super().__getitem__(name)
        gc.disable()  # imports create hardly any garbage; collections would take a fifth of startup
        try:
            command: click.Command = resolve_name(location)
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
