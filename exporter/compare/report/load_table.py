"""The results under load as sentences and table cells, for every report format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isinf

from exporter.compare.report.figures import (
    count_text,
    seconds_text,
    share_text,
    usd_text,
)
from exporter.compare.report.headline import headline
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Versus
from exporter.compare.statistics.levels import TIMES, Breaking, Estimate, Level, SideAtLevel
from exporter.compare.statistics.measures import DEFINITIONS

HEADINGS = (
    "Streams",
    "Target",
    "Requests",
    *(DEFINITIONS[measure].short for measure in TIMES),
    "Total tokens/s",
    "Success",
    "USD/M tokens",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure and its interval."""

    text: str
    interval: str = ""


@dataclass(frozen=True, slots=True)
class LoadRow:
    """One target at one level."""

    streams: int
    target: str
    cells: tuple[Cell, ...]


def load_rows(report: Report) -> Iterator[LoadRow]:
    for level in report.load.levels if report.load else ():
        for side in level.sides:
            yield LoadRow(level.streams, side.target, tuple(_cells(side)))


def _cells(side: SideAtLevel) -> Iterator[Cell]:
    yield Cell(str(side.requests))
    for measure in TIMES:
        yield _seconds(side.times.get(measure))
    yield _rate(side.tokens_per_second)
    yield _share(side.success)
    yield _price(side)


def _seconds(estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell("-")
    if estimate.low is None or estimate.high is None:
        return Cell(seconds_text(estimate.value))
    return Cell(seconds_text(estimate.value), _between(estimate.low, estimate.high))


def _between(low: float, high: float) -> str:
    """``147 to 176 ms``, or ``335 ms to 2.65 s``."""
    low_text, high_text = seconds_text(low), seconds_text(high)
    unit = f" {high_text.rpartition(' ')[2]}"
    return f"{low_text.removesuffix(unit)} to {high_text}"


def _rate(estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell("-")
    if estimate.low is None or estimate.high is None:
        return Cell(count_text(estimate.value))
    return Cell(
        count_text(estimate.value), f"{count_text(estimate.low)} to {count_text(estimate.high)}"
    )


def _share(estimate: Estimate) -> Cell:
    if estimate.low is None or estimate.high is None:
        return Cell(share_text(estimate.value))
    interval = f"{estimate.low * 100:.1f} to {share_text(estimate.high)}"
    return Cell(share_text(estimate.value), interval)


def _price(side: SideAtLevel) -> Cell:
    price, interval = side.usd_per_million_tokens, side.usd_interval
    return Cell(
        "-" if price is None else usd_text(price),
        " to ".join(map(usd_text, interval)) if interval else "",
    )


def load_sentences(report: Report) -> Iterator[str]:
    """Yield the verdict at each level, the level that breaks each objective, and rate limits."""
    for level, versus in compared_levels(report):
        yield f"With {streams_text(level.streams)}: {headline(report, versus)}."
    yield from limit_sentences(report)


def compared_levels(report: Report) -> Iterator[tuple[Level, Versus]]:
    """Yield the levels at which a candidate and the baseline were both measured."""
    for level in report.load.levels if report.load else ():
        for versus in level.versus:
            if level.side(versus.candidate.name) and level.side(report.subject.baseline.name):
                yield level, versus


def limit_sentences(report: Report) -> Iterator[str]:
    """Yield the level that breaks each objective, and rate limits."""
    if not report.load:
        return
    yield from map(_broken, report.load.breakings)
    sides = [side for level in report.load.levels for side in level.sides]
    if report.load.breakings and any(side.success.value < 1 for side in sides):
        yield "For an SLO, a request that fails counts as one that took too long."
    if any(side.success.value < 1 for side in sides):
        yield (
            "Failed requests have no times, so read the times of a level together with its success"
            " ratio. The verdicts compare only what both sides answered."
        )
    yield from _limited(report.load.levels)


def streams_text(count: float) -> str:
    return "1 stream" if count == 1 else f"{count_text(count)} streams"


def _broken(breaking: Breaking) -> str:
    objective = breaking.objective
    limit = f"{DEFINITIONS[objective.measure].short} of at most {seconds_text(objective.seconds)}"
    if breaking.holds_at is None and breaking.breaks_at is None:
        return (
            f"Not enough data to tell whether {breaking.target} meets {limit} at any level: there"
            " are too few requests, too many of them fail, or the result is too close to the limit."
        )
    if breaking.holds_at is None:
        return (
            f"{breaking.target} does not certainly meet {limit} at any level, and certainly"
            f" misses it with {streams_text(breaking.breaks_at or 0)}{_about(breaking.estimate)}."
        )
    sure = f"{breaking.target} certainly meets {limit} with up to {streams_text(breaking.holds_at)}"
    if breaking.breaks_at:
        sure += f", and certainly misses it with {streams_text(breaking.breaks_at)}"
    return f"{sure}{_about(breaking.estimate)}."


def _about(estimate: Estimate | None) -> str:
    if estimate is None or isinf(estimate.value) or estimate.value == 0:
        return ""
    low = count_text(estimate.low) if estimate.low else "fewer than the lowest level"
    high = "more than the highest level"
    if estimate.high and not isinf(estimate.high):
        high = count_text(estimate.high)
    return f"; the limit is at about {streams_text(estimate.value)} ({low} to {high})"


def _limited(levels: tuple[Level, ...]) -> Iterator[str]:
    for level in levels:
        for side in level.sides:
            if side.limited:
                is_highest = level is levels[-1]
                yield (
                    f"{side.target} limited the rate with {streams_text(level.streams)}, which"
                    f" ended that level after {side.requests} requests"
                    f"{'' if is_highest else '; higher levels were skipped'}."
                )
