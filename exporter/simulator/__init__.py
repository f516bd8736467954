"""Simulated providers: a real HTTP server that plays them from scripts, faults included."""

from __future__ import annotations

from exporter.simulator.ledger import Sent, Served
from exporter.simulator.script import Boot, Script, Sign
from exporter.simulator.server import Simulator
from exporter.simulator.steps import Error, ErrorKind
from exporter.simulator.thread import run_in_thread

__all__ = [
    "Boot",
    "Error",
    "ErrorKind",
    "Script",
    "Sent",
    "Served",
    "Sign",
    "Simulator",
    "run_in_thread",
]
