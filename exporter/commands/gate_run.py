"""Runs ``probe --fail-on``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from exporter.commands.failing import fail
from exporter.commands.gate import Judged, to_json, to_junit, verdict_lines
from exporter.commands.probe_now import probe_plans
from exporter.commands.usual import Past
from exporter.config.plan import Plan
from exporter.config.slo import Objective, SloVerdict
from exporter.process import loop
from exporter.prometheus.client import HistoryError, Prometheus

Wanted = list[tuple[Plan, list[Objective]]]

_PROBES = 20
"""Enough to show that a target where one probe in four fails misses an objective of 95 %."""

_AT_ONCE = 8
_COLORS = {SloVerdict.BROKEN: "red", SloVerdict.KEPT: "green", SloVerdict.UNKNOWN: "yellow"}


@dataclass(frozen=True, slots=True)
class Gate:
    """The settings of a gate."""

    fail_on: frozenset[str]
    """What fails the gate. ``slo``: a target breaks an objective of the configuration;
    ``usual``: a target is slower than usual; ``unknown``: too few probes for a verdict."""
    count: int | None
    """Probes per plan; ``None`` for the default."""
    as_json: bool
    junit: Path | None
    prometheus: str | None
    """URL of the Prometheus server with past probes."""
    prometheus_token_env: str | None
    since_seconds: float

    @property
    def of_slo(self) -> bool:
        return "slo" in self.fail_on or not self.of_usual

    @property
    def of_usual(self) -> bool:
        return "usual" in self.fail_on

    @property
    def closed_by(self) -> frozenset[SloVerdict]:
        broken = {SloVerdict.BROKEN} if self.fail_on else set()
        unknown = {SloVerdict.UNKNOWN} if "unknown" in self.fail_on else set()
        return frozenset(broken | unknown)


def run_gate(plans: Sequence[Plan], gate: Gate) -> int:
    """Probe every plan, print the verdicts, and return the exit code."""
    judged = loop.run(_judged(_objectives(plans, gate), gate.count or _PROBES))
    if gate.as_json:
        click.echo(json.dumps({"targets": [to_json(each) for each in judged]}, indent=2))
    else:
        for each in judged:
            _show(each)
    if gate.junit:
        try:
            gate.junit.write_bytes(to_junit(judged))
        except OSError as error:
            fail(f"{gate.junit}: cannot be written: {error.strerror}")
    return int(any(each.has(verdict) for each in judged for verdict in gate.closed_by))


def _objectives(plans: Sequence[Plan], gate: Gate) -> Wanted:
    """The objectives of each plan. This can fail, so it runs before any tokens are spent."""
    wanted: Wanted = [(plan, [*plan.objectives] if gate.of_slo else []) for plan in plans]
    if not gate.prometheus:
        return wanted
    try:
        with Prometheus(gate.prometheus, gate.prometheus_token_env) as prometheus:
            past = Past(prometheus, gate.since_seconds)
            return [(plan, [*own, *past.objectives(plan)]) for plan, own in wanted]
    except HistoryError as error:
        fail(error)


def _show(judged: Judged) -> None:
    for verdict, line in verdict_lines(judged):
        click.secho(line, fg=_COLORS[verdict])
    for line in judged.failures:
        click.echo(f"  {line}")


async def _judged(wanted: Wanted, count: int) -> list[Judged]:
    """Probe several plans at once, but each plan one probe at a time."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def ask(plan: Plan, objectives: Sequence[Objective]) -> Judged:
        async with turn:
            observations = [each async for each in probe_plans((plan,), count)]
            return Judged.of(plan, objectives, observations)

    return list(await asyncio.gather(*(ask(plan, own) for plan, own in wanted)))
