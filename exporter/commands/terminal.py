"""Probe results for a terminal: one line each, and a summary."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import click

from exporter.observation import Observation
from exporter.result import FailureReason, ProbeResult
from exporter.settings.presentable import printable


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary of several probes of one target. Times are in seconds, and come only from
    successes whose times are certain."""

    probes: int
    successes: int
    uncertain: int
    """Probes without usable times: this machine was too busy to read promptly, or did not run
    while a deadline passed."""
    time_to_first_token_p50: float | None
    time_to_first_token_p95: float | None
    request_duration_p50: float | None
    request_duration_p95: float | None
    output_tokens_per_second_p50: float | None

    @classmethod
    def of(cls, observations: Sequence[Observation]) -> Summary:
        results = [observation.result for observation in observations]
        good = [each.result for each in observations if each.result.success and each.certain]
        first_token = _known(result.time_to_first_token_seconds for result in good)
        duration = _known(result.request_duration_seconds for result in good)
        speed = _known(result.output_tokens_per_second for result in good)
        return cls(
            probes=len(results),
            successes=sum(result.success for result in results),
            uncertain=sum(
                each.result.interrupted or (each.result.success and not each.certain)
                for each in observations
            ),
            time_to_first_token_p50=quantile(first_token, 0.50),
            time_to_first_token_p95=quantile(first_token, 0.95),
            request_duration_p50=quantile(duration, 0.50),
            request_duration_p95=quantile(duration, 0.95),
            output_tokens_per_second_p50=quantile(speed, 0.50),
        )


def quantile(values: Sequence[float], share: float) -> float | None:
    """The quantile of values, interpolated between neighbours; ``None`` without values."""
    if len(values) < 2:
        return values[0] if values else None
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


_OUTCOME = f"{{:<{max(map(len, FailureReason))}}}"
_LINE = "{:>3} {} {:>7} {:>7} {:>5} {:>6} {:>6} {:>7} {:>7} {:>4}"  # fits into 80 columns
_HEADINGS = (
    ("#", "outcome", "connect", "TTFT", "TPOT", "tokens", "stall", "total", "tokens", "±"),
    ("", "", "ms", "ms", "ms", "/s", "ms", "ms", "in/out", "ms"),
)


def heading(title: str) -> str:
    """The title and column headings."""
    names = (_LINE.format(n, _OUTCOME.format(o), *rest) for n, o, *rest in _HEADINGS)
    return "\n".join((printable(title), "", *names))


def line(number: int, result: ProbeResult) -> str:
    """The line of one result. Numbers start at 1."""
    return _LINE.format(number, *_cells(result))


def closing(observations: Sequence[Observation]) -> str:
    """The summary, and each different failure."""
    return "\n".join(("", *_closing_lines(observations)))


def _cells(result: ProbeResult) -> Iterable[str]:
    phases = result.connection
    connect = (
        sum(filter(None, (phases.dns_seconds, phases.tcp_seconds, phases.tls_seconds)))
        if phases
        else None
    )
    sent_over_a_kept_connection = phases is None and result.timeline.sent is not None
    usage = result.usage
    yield _outcome(result)
    yield "reused" if sent_over_a_kept_connection else _milliseconds(connect)
    yield _milliseconds(result.time_to_first_token_seconds)
    yield _milliseconds(result.time_per_output_token_seconds)
    yield _number(result.output_tokens_per_second)
    yield _milliseconds(result.max_stall_seconds)
    yield _milliseconds(result.request_duration_seconds)
    yield f"{usage.input}/{usage.output}" if usage else "-"
    yield _milliseconds(result.uncertainty_seconds, digits=2)


def _outcome(result: ProbeResult) -> str:
    outcome, colour = (result.failure.reason, "red") if result.failure else ("ok", "green")
    if result.interrupted:
        outcome, colour = "interrupted", "yellow"
    return click.style(_OUTCOME.format(outcome), fg=colour)


def _closing_lines(observations: Sequence[Observation]) -> Iterable[str]:
    summary = Summary.of(observations)
    yield f"{summary.successes} of {summary.probes} succeeded"
    if summary.uncertain:
        yield click.style(
            f"{summary.uncertain} excluded from the times: this machine was too busy to be certain",
            fg="yellow",
        )
    if summary.successes:
        yield (
            f"TTFT p50 {_milliseconds(summary.time_to_first_token_p50)} ms, "
            f"p95 {_milliseconds(summary.time_to_first_token_p95)} ms; "
            f"total p50 {_milliseconds(summary.request_duration_p50)} ms, "
            f"p95 {_milliseconds(summary.request_duration_p95)} ms; "
            f"{_number(summary.output_tokens_per_second_p50)} tokens/s"
        )
    failures = (each.result.failure for each in observations)
    for failure in dict.fromkeys(failure for failure in failures if failure):
        yield click.style(failure.summary, fg="red")


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _milliseconds(seconds: float | None, digits: int = 1) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.{digits}f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
