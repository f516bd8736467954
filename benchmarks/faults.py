"""Plays every fault of the chaos suite to a probe while another probe uses a healthy provider.

The failure reason must be right, the next probe of the same target must be unaffected, and the
healthy provider must never get a failure. ``--quick`` skips the faults that end with a timeout.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
from dataclasses import dataclass, replace

from tabulate import tabulate

from benchmarks.hostile import Turns, memory_kb, peak_begins_anew, plan_for
from exporter.config.plan import Plan, Timeouts
from exporter.kinds import Kind
from exporter.net.transport import Connections
from exporter.probing.probe import run_probe
from exporter.process import loop
from exporter.process.heap import freeze
from exporter.result import ProbeResult
from tests.chaos.behaviours import BEHAVIOURS
from tests.chaos.script import WHOLE, Behaviour
from tests.limits import PATIENT
from tests.wire import wire_server


@dataclass(frozen=True, slots=True)
class Played:
    """The results of one fault."""

    behaviour: Behaviour
    result: ProbeResult
    after: ProbeResult
    """The next probe of the same target."""
    beside: ProbeResult
    """The concurrent probe of the healthy provider."""
    held_ms: float
    grown_mb: float

    @property
    def is_right(self) -> bool:
        return _reason(self.result) in map(_word, self.behaviour.reasons)

    @property
    def row(self) -> tuple[object, ...]:
        right = " or ".join(map(_word, self.behaviour.reasons))
        said = _reason(self.result)
        return self.behaviour.name, right, said, self.held_ms, self.grown_mb


def _word(reason: str | None) -> str:
    return reason or "success"


def _reason(result: ProbeResult) -> str:
    return _word(result.failure.reason if result.failure else None)


def _plan(url: str, provider: str, timeouts: Timeouts) -> Plan:
    return replace(plan_for(url, provider, Kind.CHAT), timeouts=timeouts)


async def _play(behaviour: Behaviour, other: Plan, neighbour: Connections) -> Played:
    with wire_server(behaviour.script, WHOLE) as server:
        plan = _plan(server.url, behaviour.provider, behaviour.limits)
        connections = Connections(plan.target)
        before = peak_begins_anew()
        with Turns() as turns:
            result, beside = await asyncio.gather(
                run_probe(plan, "hello", connections), run_probe(other, "hello", neighbour)
            )
        grown = memory_kb("VmHWM") - before
        after = await run_probe(replace(plan, timeouts=PATIENT), "hello", connections)
        await connections.retire()
    return Played(behaviour, result, after, beside, turns.longest * 1e3, grown / 1e3)


async def _play_all(*, quick: bool) -> list[Played]:
    with wire_server(WHOLE) as healthy:
        other = _plan(healthy.url, "openai", PATIENT)
        neighbour = Connections(other.target)
        await run_probe(other, "hello", neighbour)  # whatever is made once has been made
        freeze()
        played = [
            await _play(behaviour, other, neighbour)
            for behaviour in BEHAVIOURS.values()
            if not (quick and behaviour.waits)
        ]
        await neighbour.retire()
    return played


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without those that wait")
    quick = parser.parse_args().quick
    played = loop.run(_play_all(quick=quick))
    head = ("fault", "right", "said", "loop held, ms", "memory grown, MB")
    print(tabulate([one.row for one in played], head, "github", floatfmt=".1f"))
    wrong = [one for one in played if not one.is_right]
    harmed = [one for one in played if one.after.failure]
    blamed = [one for one in played if one.beside.failure]
    print(f"\n{len(played) - len(wrong)} of {len(played)} have the right reason; {len(harmed)} next"
          f" probes of the same target were harmed, and {len(blamed)} of the {len(played)} probes "
          f"of a healthy provider beside them failed.")  # fmt: skip
    for one in (*wrong, *harmed, *blamed):
        print(f"{one.behaviour.name}: {one.result.failure}, after it {one.after.failure}, "
              f"beside it {one.beside.failure}")  # fmt: skip
    print(f"At worst the loop was held for {max(one.held_ms for one in played):.1f} ms, "
          f"and memory grew by {max(one.grown_mb for one in played):.1f} MB.")  # fmt: skip
    print(f"\n{os.cpu_count()} cores, Python {platform.python_version()}")
    if wrong or harmed or blamed:
        sys.exit(1)


if __name__ == "__main__":
    main()
