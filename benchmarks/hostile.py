"""The cost of hostile responses: how long one probe blocks the loop, and how much memory it needs.

For each response, a new process probes twice: first a good answer, so that lazy initialization is
done, then the hostile one. The time is the CPU time of the probing thread in one iteration of the
loop. The memory is the peak according to the kernel.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from asyncio import events
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exporter.config.plan import Plan, Timeouts
from exporter.config.target import Target
from exporter.kinds import Chat, Embeddings, Kind, Models, Probe
from exporter.net.transport import Connections
from exporter.probing.probe import run_probe
from exporter.process import loop
from tests.chaos.costly import COSTLY
from tests.wire import wire_server

_handle: Any = events.Handle
GOAL_MILLISECONDS, GOAL_MEGABYTES = 5.0, 16.0


_PROBES: dict[str, Probe] = {
    Kind.CHAT: Chat(prompt="hello"),
    Kind.EMBEDDINGS: Embeddings(kind=Kind.EMBEDDINGS),
    Kind.MODELS: Models(kind=Kind.MODELS),
}


def plan_for(url: str, provider: str, kind: str) -> Plan:
    os.environ["HOSTILE_KEY"] = "sk-0815-4711"
    fields = {
        "name": "t",
        "provider": provider,
        "model": "m",
        "base_url": f"{url}/v1",
        "api_key": {"env": "HOSTILE_KEY"},
    }
    return Plan(
        target=Target.model_validate(fields),
        probe_name="p",
        probe=_PROBES[kind],
        interval_seconds=60,
        timeouts=Timeouts(total=10),
        fresh_connection=False,
    )


def memory_kb(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0])


def peak_begins_anew() -> int:
    """Reset the kernel's peak; return the current resident memory in kB."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory_kb("VmRSS")


class Turns:
    """The CPU time of the longest iteration of the loop."""

    longest = 0.0

    def __enter__(self) -> Turns:
        self._run = _handle._run  # noqa: SLF001  there is no other way in

        def timed(handle: asyncio.Handle) -> None:
            before = time.thread_time()
            self._run(handle)
            self.longest = max(self.longest, time.thread_time() - before)

        _handle._run = timed  # noqa: SLF001
        return self

    def __exit__(self, *_: object) -> None:
        _handle._run = self._run  # noqa: SLF001


async def _probe(url: str, provider: str, kind: str) -> None:
    plan = plan_for(url, provider, kind)
    connections = Connections(plan.target)
    await run_probe(plan, "hello", connections)
    before = peak_begins_anew()
    with Turns() as turns:
        result = await asyncio.create_task(run_probe(plan, "hello", connections))
        await asyncio.sleep(0)  # an iteration is measured when it ends
    grown = memory_kb("VmHWM") - before
    await connections.retire()
    failure = result.failure
    print(
        json.dumps(
            {
                "reason": failure.reason if failure else None,
                "detail": failure.detail[:100] if failure else "",
                "held": turns.longest * 1e3,
                "grown": grown / 1e3,
            }
        )
    )


def measured(name: str) -> dict[str, object]:
    """Measure one of the hostile responses."""
    costly = COSTLY[name]
    with wire_server(costly.good, costly.script) as server:
        asked = [server.url, costly.provider, costly.kind]
        child = [sys.executable, "-m", "benchmarks.hostile", "--probe", *asked]
        output = subprocess.run(child, check=True, capture_output=True, text=True).stdout
    told: dict[str, object] = json.loads(output)
    return told


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the same")
    parser.add_argument("--only", default="", help="the answers whose names hold this")
    parser.add_argument("--probe", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.probe:
        loop.run(_probe(*options.probe))
        return
    print("\n| answer | reason | loop held, ms | memory grown, MB |\n|---|---|--:|--:|")
    worst = [0.0, 0.0]
    for name in filter(lambda name: options.only in name, COSTLY):
        told = measured(name)
        held, grown = float(str(told["held"])), float(str(told["grown"]))
        worst = [max(worst[0], held), max(worst[1], grown)]
        print(f"| {name} | {told['reason']} | {held:.1f} | {grown:.1f} |", flush=True)
    print(f"\nAt worst {worst[0]:.1f} ms (goal {GOAL_MILLISECONDS:g}) and {worst[1]:.1f} MB"
          f" (goal {GOAL_MEGABYTES:g}).")  # fmt: skip
    print(f"\n{os.cpu_count()} cores, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
