"""The monthly cost and the level changes, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from exporter.compare.report.figures import seconds_text, usd_text
from exporter.compare.statistics.break_even import MonthlyCost
from exporter.compare.statistics.changes import Change
from exporter.compare.statistics.conclusion import Report


def worth_sentences(report: Report) -> Iterator[str]:
    """Yield the cost of each side, then the price at which each candidate breaks even."""
    traffic = report.rules.traffic
    if traffic is None or not report.worth:
        return
    yield f"{traffic.requests_per_day:,.0f} requests a day cost per month, at list prices:"
    for worth in report.worth:
        yield _month(worth, within_slo=bool(report.rules.objectives))
    for worth in report.worth[1:]:
        if worth.equal_factor is not None:
            yield (
                f"{worth.party.name} would cost as much as {report.subject.baseline.name} at"
                f" {worth.equal_factor:.3g} times its price: {_price(worth, worth.equal_factor)}."
            )


def _month(worth: MonthlyCost, *, within_slo: bool) -> str:
    name = worth.party.name
    if worth.usd_per_month is None:
        return f"{name}: unknown, because {worth.unknown_because}."
    tokens = f"{worth.input_tokens:,.0f} input and {worth.output_tokens:,.0f} output tokens"
    month = f"{name}: {usd_text(worth.usd_per_month)} USD, at {_price(worth, 1.0)}"
    if worth.servers is None:
        return f"{month}, with {tokens} per request."
    if worth.served_by_each is None:
        return f"{month}, for one server. To measure how much it can serve, use --concurrency."
    servers = "one server" if worth.servers == 1 else f"{worth.servers} servers"
    within = " without certainly missing the SLO" if within_slo else ""
    return (
        f"{month}, for {servers} ({tokens} per request). A server produced up to"
        f" {worth.served_by_each:,.0f} output tokens/s{within}. Peaks above the daily average need"
        " more servers."
    )


def _price(worth: MonthlyCost, factor: float) -> str:
    party = worth.party
    if party.usd_per_hour is not None:
        return f"{usd_text(factor * party.usd_per_hour)} USD per hour"
    rates = (party.usd_per_million_input or 0.0, party.usd_per_million_output or 0.0)
    dollars = " and ".join(usd_text(factor * rate) for rate in rates)
    return f"{dollars} USD per million input and output tokens"


def change_sentences(report: Report) -> Iterator[str]:
    for target, changes in report.changes.items():
        for change in changes:
            yield _changed(target, change)


def _changed(target: str, change: Change) -> str:
    before, after = seconds_text(change.before), seconds_text(change.after)
    return (
        f"The time to first token of {target} went from {before} to {after} at {_time(change.at)}"
        f" (between {_time(change.earliest)} and {_time(change.latest)})."
    )


def _time(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"
