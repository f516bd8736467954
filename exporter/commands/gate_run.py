"""Carrying out ``probe --fail-on``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from pathlib import Path

import click

from exporter.commands.asking import asked
from exporter.commands.failing import fail
from exporter.commands.gate import Judged, to_json, to_junit, told
from exporter.config.plan import Plan
from exporter.config.slo import Verdict
from exporter.process import loop

GATE_PROBES = 20
"""Enough to see that one probe in four misses an objective of 95 %."""

_AT_ONCE = 8
_COLORS = {Verdict.BROKEN: "red", Verdict.KEPT: "green", Verdict.UNKNOWN: "yellow"}


def run_gate(
    plans: Sequence[Plan],
    count: int,
    fail_on: Collection[str],
    as_json: bool,
    junit: Path | None,
) -> int:
    """Ask every plan so many times, tell the verdicts, and return the exit code.

    :param fail_on: ``slo`` for objectives that are broken, ``unknown`` for those that cannot be
        told to be kept, too.
    """
    judged = loop.run(_judged(plans, count))
    if as_json:
        click.echo(json.dumps({"targets": [to_json(each) for each in judged]}, indent=2))
    else:
        for each in judged:
            for verdict, line in told(each):
                click.secho(line, fg=_COLORS[verdict])
            if each.reasons:
                click.echo("  " + ", ".join(f"{n} {why}" for why, n in each.reasons.items()))
    if junit:
        try:
            junit.write_bytes(to_junit(judged))
        except OSError as error:
            fail(f"{junit}: cannot be written: {error.strerror}")
    failing = {Verdict.BROKEN} if "slo" in fail_on else set()
    if "unknown" in fail_on:
        failing = {Verdict.BROKEN, Verdict.UNKNOWN}
    return int(any(each.has(verdict) for each in judged for verdict in failing))


async def _judged(plans: Sequence[Plan], count: int) -> list[Judged]:
    """Several plans at once; the probes of each one after the other."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def ask(plan: Plan) -> Judged:
        async with turn:
            return Judged.of(plan, [each async for each in asked((plan,), count)])

    return list(await asyncio.gather(*map(ask, plans)))
