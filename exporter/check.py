"""What a configuration will do, told before it does it: probes, tokens and spend per day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from exporter.config import Config, Plan, Target
from exporter.pricing import cost_usd
from exporter.result import Usage
from exporter.secret import Secret, SecretError
from exporter.units import format_duration

DAY_SECONDS = 86_400
DAYS_PER_MONTH = 30
CHARACTERS_PER_TOKEN = 4
_NONCE_CHARACTERS = 18

_NOTE = (
    f"Estimated: input tokens are characters / {CHARACTERS_PER_TOKEN}; output tokens are"
    f" max_output_tokens, so\nreal spend is mostly lower. A month has {DAYS_PER_MONTH} days."
)


@dataclass(frozen=True, slots=True)
class _Load:
    """What one plan, or several together, send in a day."""

    probes: float
    input_tokens: float
    output_tokens: float
    usd: Decimal | None
    """``None`` where a price is not known."""

    def __add__(self, other: _Load) -> _Load:
        unknown = self.usd is None or other.usd is None
        return _Load(
            self.probes + other.probes,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            None if unknown else (self.usd or Decimal()) + (other.usd or Decimal()),
        )


_NOTHING = _Load(0, 0, 0, Decimal())


def report(config: Config) -> str:
    """The targets with what they are sent and what that may cost, and warnings; plain text."""
    plans = config.plans()
    if not plans:
        return "\n".join([*_warnings(config), "No targets: nothing will be probed.", ""])
    rows: list[tuple[str, ...]] = [_HEADINGS]
    known = total = _NOTHING
    for _, group in groupby(plans, key=lambda plan: plan.target.name):
        of_target = list(group)
        load = sum(map(_load, of_target), _NOTHING)
        rows.append(_row(of_target, load))
        total += load
        known += load if load.usd is not None else _NOTHING
    rows.append(("total", "", "", "", *_figures(total)))
    return "\n".join([*_table(rows), "", *_spend(known, total), *_warnings(config), ""])


def _load(plan: Plan) -> _Load:
    probes = DAY_SECONDS / plan.interval_seconds
    prompts = plan.probe.prompts
    characters = sum(map(len, prompts)) / len(prompts) + _NONCE_CHARACTERS
    tokens = Usage(
        input=round(characters / CHARACTERS_PER_TOKEN), output=plan.probe.max_output_tokens
    )
    price = plan.target.price
    return _Load(
        probes,
        probes * tokens.input,
        probes * tokens.output,
        Decimal(probes) * cost_usd(tokens, price) if price else None,
    )


_HEADINGS = (
    "TARGET",
    "PROVIDER",
    "MODEL",
    "PROBES",
    "PER DAY",
    "TOKENS IN",
    "TOKENS OUT",
    "USD/DAY",
)


def _row(plans: Sequence[Plan], load: _Load) -> tuple[str, ...]:
    target = plans[0].target
    names = ", ".join(plan.probe_name for plan in plans)
    every = format_duration(plans[0].interval_seconds)
    return (target.name, target.provider, target.model, f"{names} every {every}", *_figures(load))


def _figures(load: _Load) -> tuple[str, ...]:
    usd = "unknown price" if load.usd is None else f"{load.usd:.2f}"
    counts = (load.probes, load.input_tokens, load.output_tokens)
    return (*(f"{count:,.0f}" for count in counts), usd)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns in line: words to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if index < len(row) - 4 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _spend(known: _Load, total: _Load) -> Iterator[str]:
    usd = known.usd or Decimal()
    least = "" if total.usd is not None else ", besides targets of unknown price"
    yield f"Spend: {usd:.2f} USD per day, {usd * DAYS_PER_MONTH:.2f} USD per month{least}."
    yield _NOTE


def _warnings(config: Config) -> Iterator[str]:
    for name in _not_acted_on(config):
        yield f"warning: {name} is accepted, but this version does not act on it"
    for target in config.targets:
        for secret in _secrets(target):
            try:
                secret.read()
            except SecretError as error:
                yield f"warning: target {target.name}: {error}"
        for file in _tls_files(target):
            if not file.is_file():
                yield f"warning: target {target.name}: there is no file {file}"


def _not_acted_on(config: Config) -> Iterator[str]:
    if config.budget:
        yield "budget"
    if config.prices_file:
        yield "prices_file"
    if any(target.cold_start for target in config.targets):
        yield "cold_start"


def _secrets(target: Target) -> Iterator[Secret]:
    for value in (target.api_key, *target.headers.values()):
        if isinstance(value, Secret):
            yield value


def _tls_files(target: Target) -> Iterator[Path]:
    tls = target.tls
    yield from filter(None, (tls.ca_file, tls.cert_file, tls.key_file))
