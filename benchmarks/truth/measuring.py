"""One measurement: a client in a fresh process, next to what the server did."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import astuple

from benchmarks.truth.clients import READY, Case, Seen
from benchmarks.truth.disturbances import Disturbance, undisturbed
from benchmarks.truth.errors import Pair
from benchmarks.truth.served import Truth

SCRIPTS = {
    1: "truth-60-20-8",
    16: "truth-150-20-8",
    64: "truth-500-20-16",
    256: "truth-1500-20-16",
    1_000: "truth-6000-20-16",
}
"""The script for each number of streams: 50 tokens per second, and a wait before the first token
that keeps a single process from being saturated, as with a real provider's short answers."""


def measure(truth: Truth, case: Case, disturbing: Disturbance = undisturbed) -> list[Pair]:
    """Measure one client in a fresh process; return its probes next to what the server did."""
    command = [sys.executable, "-m", "benchmarks.truth.clients", truth.url]
    command += [str(argument) for argument in astuple(case)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline().strip() == READY
        with disturbing(client.pid):
            output = client.stdout.read()
    if client.returncode:
        sys.exit(f"{' '.join(command)} failed")
    sends = truth.sends()
    tokens = int(case.model.rpartition("-")[2])
    seen = [Seen(**json.loads(line)) for line in output.splitlines()]
    return [Pair(one, sends[one.request_id], tokens) for one in seen]
