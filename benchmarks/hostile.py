"""The cost of hostile responses: how long one probe blocks the loop, and how much memory it needs.

For each response, a new process probes twice: first a good answer, so that lazy initialization is
done, then the hostile one. The time is the CPU time of the probing thread in one iteration of the
loop. The memory is the peak according to the kernel.

A response that exceeds a goal is measured up to three times, and the lowest figures count. On a
busy machine, other processes share the caches and the core, which can quadruple the CPU time.
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
from dataclasses import asdict, dataclass
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
_MOST_TRIES = 3


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
    cost = Cost(failure.reason if failure else None, turns.longest * 1e3, grown / 1e3)
    print(json.dumps(asdict(cost)))


@dataclass(frozen=True, slots=True)
class Cost:
    """The outcome of a probe and what it cost."""

    reason: str | None
    held_ms: float
    grown_mb: float

    @property
    def meets_goals(self) -> bool:
        return self.held_ms <= GOAL_MILLISECONDS and self.grown_mb <= GOAL_MEGABYTES


def measured(name: str) -> Cost:
    """Measure one of the hostile responses."""
    costs = [_measured_once(name)]
    while not costs[-1].meets_goals and len(costs) < _MOST_TRIES:
        costs.append(_measured_once(name))
    held = min(cost.held_ms for cost in costs)
    grown = min(cost.grown_mb for cost in costs)
    return Cost(costs[-1].reason, held, grown)


def _measured_once(name: str) -> Cost:
    costly = COSTLY[name]
    with wire_server(costly.good, costly.script) as server:
        asked = [server.url, costly.provider, costly.kind]
        child = [sys.executable, "-m", "benchmarks.hostile", "--probe", *asked]
        output = subprocess.run(child, check=True, capture_output=True, text=True).stdout
    return Cost(**json.loads(output))


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
    costs = []
    for name in filter(lambda name: options.only in name, COSTLY):
        costs.append(cost := measured(name))
        print(f"| {name} | {cost.reason} | {cost.held_ms:.1f} | {cost.grown_mb:.1f} |", flush=True)
    held = max(cost.held_ms for cost in costs)
    grown = max(cost.grown_mb for cost in costs)
    print(f"\nAt worst {held:.1f} ms (goal {GOAL_MILLISECONDS:g}) and {grown:.1f} MB"
          f" (goal {GOAL_MEGABYTES:g}).")  # fmt: skip
    print(f"\n{os.cpu_count()} cores, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
