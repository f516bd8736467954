"""The forecast of a configuration: probes, tokens, and spend per day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby

from exporter.budget.forecast import (
    CHARACTERS_PER_TOKEN,
    DAY_SECONDS,
    DAYS_PER_MONTH,
    NOTHING,
    Forecast,
    by_target,
    confirming_forecast,
    grouped,
)
from exporter.commands.check_savings import savings
from exporter.commands.check_warnings import warnings
from exporter.config.plan import Plan
from exporter.config.root import Config
from exporter.prices.price import ServerPrice, exact
from exporter.settings.presentable import printable
from exporter.settings.units import format_duration

_NOTE = (
    f"Estimated: input tokens are characters / {CHARACTERS_PER_TOKEN}; output tokens are",
    f"max_output_tokens, so real spend is usually lower. A month has {DAYS_PER_MONTH} days.",
)


def report(config: Config, width: int | None = None) -> str:
    """The report as plain text: what each target is sent, what that can cost, and warnings.

    :param width: the columns of the terminal. Names are cut to fit; ``None`` cuts none.
    """
    warned = warnings(config)
    plans = config.plans()
    if not plans:
        none = "No targets: nothing will be probed."
        if config.kubernetes_discovery:
            none = "No targets, except those that discovery finds in the cluster."
        return _text([*warned, none])
    rows: list[tuple[str, ...]] = [_HEADINGS]
    known = total = NOTHING
    for of_target, forecast in by_target(plans):
        rows.append(_row(of_target, forecast))
        total += forecast
        known = known + forecast if forecast.usd is not None else known
    rows.append(("total", "", "", "", *_figures(total)))
    spend = [
        *_spend(known, total),
        *_confirming(plans),
        *_budgets(config),
        *_servers(plans),
        *savings(plans),
        *_NOTE,
    ]
    return _text([*_table(rows, width), "", *spend, *warned])


def _text(lines: Iterable[str]) -> str:
    """The lines, whatever characters the names of targets, models, and probes contain."""
    return "".join(f"{printable(line)}\n" for line in lines)


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


_GAP = "  "
_NARROWEST = 8
_FIGURES = 5
"""The number of columns with figures, which are the last ones."""


def _row(plans: Sequence[Plan], forecast: Forecast) -> tuple[str, ...]:
    target = plans[0].target
    asked = ", ".join(_asked(plans))
    return (target.name, target.provider, target.model, asked, *_figures(forecast))


def _asked(plans: Sequence[Plan]) -> Iterator[str]:
    """The probes and their intervals: ``short, long every 1m``."""
    for seconds, together in groupby(plans, key=lambda plan: plan.interval_seconds):
        names = ", ".join(plan.probe_name for plan in together)
        yield f"{names} every {format_duration(seconds)}"


def _figures(forecast: Forecast) -> tuple[str, ...]:
    counts = (forecast.probes, forecast.input_tokens, forecast.output_tokens)
    usd = ("unknown", "unknown") if forecast.usd is None else _per_day_and_month(forecast.usd)
    return (*(f"{count:,.0f}" for count in counts), *usd)


def _per_day_and_month(usd: Decimal) -> tuple[str, str]:
    return f"{usd:.2f}", f"{usd * DAYS_PER_MONTH:.2f}"


def _table(rows: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """Aligned columns: words to the left, figures to the right."""
    widths = _fitted([max(map(len, column)) for column in zip(*rows, strict=True)], width)
    for row in rows:
        cells = (
            _cut(cell, width).ljust(width) if index < len(row) - _FIGURES else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield _GAP.join(cells).rstrip()


def _fitted(widths: list[int], wanted: int | None) -> list[int]:
    """The column widths. The widest columns of words shrink until the table fits."""
    words = range(len(widths) - _FIGURES)
    while wanted and sum(widths) + len(_GAP) * (len(widths) - 1) > wanted:
        widest = max(words, key=lambda index: widths[index])
        if widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    return widths


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 1]}…"


def _spend(known: Forecast, total: Forecast) -> Iterator[str]:
    if known is NOTHING:
        yield "Spend: unknown: no target has a price; set price or prices_file."
        return
    day, month = _per_day_and_month(known.usd or Decimal())
    least = "" if total.usd is not None else ", plus targets with an unknown price"
    yield f"Spend: {day} USD per day, {month} USD per month{least}."


def _confirming(plans: Iterable[Plan]) -> Iterator[str]:
    """The most that confirming changes can cost."""
    most = sum(map(confirming_forecast, plans), NOTHING)
    if most.probes:
        usd = "of unknown price" if most.usd is None else f"{most.usd:.2f} USD"
        yield (
            f"Confirming changes: at most {most.probes:,.0f} more probes per day, {usd};"
            " to turn it off, set confirm: false."
        )


def _budgets(config: Config) -> Iterator[str]:
    """A line for each budget: how much of it the probes need."""
    plans = config.plans()
    if config.budget.usd_per_day is not None:
        yield _budget("all targets", config.budget.usd_per_day, plans)
    for target in config.targets:
        if target.budget:
            own = [plan for plan in plans if plan.target.name == target.name]
            yield _budget(target.name, target.budget.usd_per_day, own)


def _budget(whose: str, usd_per_day: float, plans: Iterable[Plan]) -> str:
    spends = [forecast.usd for _, forecast in by_target(plans)]
    budget = f"Budget of {whose}: {usd_per_day:.2f} USD per day"
    known = [usd for usd in spends if usd is not None]
    if not known:
        return f"{budget}; how much of it probes need is unknown, because no price is known."
    share = sum(known, Decimal()) / exact(usd_per_day)
    least = "" if len(known) == len(spends) else "at least "
    budget = f"{budget}; probes need {least}{share:.0%} of it"
    if share <= 1:
        return f"{budget}."
    reached = format_duration(int(DAY_SECONDS / share))
    return f"{budget}, and stop {reached} after midnight UTC."


def _servers(plans: Iterable[Plan]) -> Iterator[str]:
    """The assumptions about servers that are paid by the hour, where probes cost nothing extra."""
    for plan, *_ in grouped(plans):
        if isinstance(plan.price, ServerPrice):
            usd, streams = plan.price.usd_per_hour, plan.price.concurrency.normalize()
            requests = "request" if streams == 1 else "requests"
            yield (
                f"Server of {plan.target.name}: {usd:.2f} USD per hour with or without probes;"
                f" the estimate assumes {streams:f} concurrent {requests}."
            )
