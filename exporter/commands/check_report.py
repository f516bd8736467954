"""What a configuration will do, told before it does it: probes, tokens and spend per day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from exporter.budget.forecast import (
    CHARACTERS_PER_TOKEN,
    DAY_SECONDS,
    DAYS_PER_MONTH,
    NOTHING,
    Load,
    by_target,
    confirming_load,
)
from exporter.commands.check_objectives import objective_warnings
from exporter.config.plan import Plan
from exporter.config.root import Config
from exporter.config.target import Target
from exporter.prices.price import ServerPrice, exact
from exporter.settings.secret import Secret, SecretError
from exporter.settings.units import format_duration

_NOTE = (
    f"Estimated: input tokens are characters / {CHARACTERS_PER_TOKEN}; output tokens are"
    f" max_output_tokens, so\nreal spend is mostly lower. A month has {DAYS_PER_MONTH} days."
)


def report(config: Config) -> str:
    """The targets with what they are sent and what that may cost, and warnings; plain text."""
    plans = config.plans()
    if not plans:
        none = "No targets: nothing will be probed."
        if config.kubernetes_discovery:
            none = "No targets but those that will be found in the cluster."
        return "\n".join([*_warnings(config), none, ""])
    rows: list[tuple[str, ...]] = [_HEADINGS]
    known = total = NOTHING
    for of_target, load in by_target(plans):
        rows.append(_row(of_target, load))
        total += load
        known += load if load.usd is not None else NOTHING
    rows.append(("total", "", "", "", *_figures(total)))
    spend = [
        *_spend(known, total),
        *_confirming(plans),
        *_budgets(config),
        *_servers(plans),
        _NOTE,
    ]
    return "\n".join([*_table(rows), "", *spend, *_warnings(config), ""])


_HEADINGS = (
    "TARGET",
    "PROVIDER",
    "MODEL",
    "PROBES",
    "PER DAY",
    "TOKENS IN",
    "TOKENS OUT",
    "USD/DAY",
    "USD/MONTH",
)


_FIGURES = 5
"""How many of the columns, the last ones, are figures."""


def _row(plans: Sequence[Plan], load: Load) -> tuple[str, ...]:
    target = plans[0].target
    asked = ", ".join(_asked(plans))
    return (target.name, target.provider, target.model, asked, *_figures(load))


def _asked(plans: Sequence[Plan]) -> Iterator[str]:
    """Which probes how often: ``short, long every 1m``."""
    for seconds, together in groupby(plans, key=lambda plan: plan.interval_seconds):
        names = ", ".join(plan.probe_name for plan in together)
        yield f"{names} every {format_duration(seconds)}"


def _figures(load: Load) -> tuple[str, ...]:
    counts = (load.probes, load.input_tokens, load.output_tokens)
    usd = ("unknown", "unknown") if load.usd is None else _per_day_and_month(load.usd)
    return (*(f"{count:,.0f}" for count in counts), *usd)


def _per_day_and_month(usd: Decimal) -> tuple[str, str]:
    return f"{usd:.2f}", f"{usd * DAYS_PER_MONTH:.2f}"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns in line: words to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if index < len(row) - _FIGURES else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _spend(known: Load, total: Load) -> Iterator[str]:
    day, month = _per_day_and_month(known.usd or Decimal())
    least = "" if total.usd is not None else ", besides targets of unknown price"
    yield f"Spend: {day} USD per day, {month} USD per month{least}."


def _confirming(plans: Iterable[Plan]) -> Iterator[str]:
    """What it may cost to make sure of a change."""
    most = sum(map(confirming_load, plans), NOTHING)
    if most.probes:
        usd = "of unknown price" if most.usd is None else f"{most.usd:.2f} USD"
        yield (
            f"Confirming changes: at most {most.probes:,.0f} probes a day more, {usd};"
            " confirm: false turns it off."
        )


def _budgets(config: Config) -> Iterator[str]:
    """Every budget, and whether it will be reached."""
    plans = config.plans()
    if config.budget.usd_per_day is not None:
        yield _budget("all targets", config.budget.usd_per_day, plans)
    for target in config.targets:
        if target.budget:
            own = [plan for plan in plans if plan.target.name == target.name]
            yield _budget(target.name, target.budget.usd_per_day, own)


def _budget(whose: str, usd_per_day: float, plans: Iterable[Plan]) -> str:
    spend = sum((load.usd or Decimal() for _, load in by_target(plans)), Decimal())
    share = spend / exact(usd_per_day)
    budget = f"Budget of {whose}: {usd_per_day:.2f} USD per day, {share:.0%} of it needed"
    if share <= 1:
        return f"{budget}."
    reached = format_duration(int(DAY_SECONDS / share))
    return f"{budget}: it will stop probing {reached} after midnight UTC."


def _servers(plans: Iterable[Plan]) -> Iterator[str]:
    """What is assumed of servers paid by the hour, whose probes add nothing to the spend."""
    for (plan, *_), _load in by_target(plans):
        if isinstance(plan.price, ServerPrice):
            usd, streams = plan.price.usd_per_hour, plan.price.concurrency
            yield (
                f"Server of {plan.target.name}: {usd:.2f} USD per hour anyway,"
                f" taken to serve {streams.normalize():f} at once."
            )


def _warnings(config: Config) -> Iterator[str]:
    for name, why in config.unknown_prices():
        yield f"warning: target {name}: price not known: {why}"
    yield from _state_file_warnings(config)
    yield from objective_warnings(config.plans())
    for target in config.targets:
        for secret in _secrets(target):
            try:
                secret.read()
            except SecretError as error:
                yield f"warning: target {target.name}: {error}"
        for file in _tls_files(target):
            if not file.is_file():
                yield f"warning: target {target.name}: there is no file {file}"


def _state_file_warnings(config: Config) -> Iterator[str]:
    file = config.budget.state_file
    budgets = [config.budget.usd_per_day, *(target.budget for target in config.targets)]
    if file is None and any(budgets):
        yield "warning: budgets begin anew at every restart; set budget.state_file"
    if file and not file.parent.is_dir():
        yield f"warning: budget.state_file: {file.parent} is not a folder"


def _secrets(target: Target) -> Iterator[Secret]:
    for value in (target.api_key, *target.headers.values()):
        if isinstance(value, Secret):
            yield value


def _tls_files(target: Target) -> Iterator[Path]:
    tls = target.tls
    yield from filter(None, (tls.ca_file, tls.cert_file, tls.key_file))
