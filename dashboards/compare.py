"""Candidate against baseline, for buyers."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from dashboards.expressions import exact_quantile, quantile, success_ratio
from dashboards.frame import SELF, Frame, Panel, Section, choose_pair
from dashboards.panels import COUNT, RATIO, SECONDS, USD, Query, Steps, Text, number, over_time

BASELINE = f'{SELF},target=~"$baseline",probe=~"$probe"'
CANDIDATE = f'{SELF},target=~"$candidate",probe=~"$probe"'
BOTH = f'{SELF},target=~"$baseline|$candidate",probe=~"$probe"'
TIME_TO_FIRST_TOKEN = "inference_last_probe_time_to_first_token_seconds"
TIME_PER_OUTPUT_TOKEN = "inference_last_probe_time_per_output_token_seconds"
DURATION = "inference_last_probe_request_duration_seconds"
SPEED = "inference_last_probe_output_tokens_per_second"
COLD_START = "inference_cold_start_duration_seconds"
RANGE = "$__range"
NOT_WORSE = Steps(orange=1.05, red=1.2)
NOT_LESS = Steps(orange=0.95, red=0.8)


def build() -> builders.Dashboard:
    """Build the dashboard, which compares two targets measure by measure."""
    frame = Frame(
        uid="inference-compare",
        title="Inference / Candidate against baseline",
        description="Does the candidate beat the baseline? Ratios over the whole time range; for a"
        " verdict with confidence intervals run `inference-exporter compare`.",
        variables=choose_pair(),
        time_from="now-24h",
    )
    return frame.fill(_ratios(), _latency(), _stream(), _reliability())


def _ratio(expression: str) -> str:
    """Divide the candidate's value by the baseline's.

    :param expression: an expression without its matchers.
    """
    candidate, baseline = (expression.replace("MATCHERS", of) for of in (CANDIDATE, BASELINE))
    return f"{candidate} / on (job) ({baseline})"


def _quantile_ratio(q: float, gauge: str) -> str:
    return _ratio(f"avg by (job) ({exact_quantile(q, gauge, 'MATCHERS', RANGE)})")


def _cold_start_ratio() -> str:
    return _ratio(quantile(0.5, COLD_START, "MATCHERS", "job", RANGE))


def _price(by: str, matchers: str) -> str:
    price = "target:inference_usd_per_million_tokens:avg1h"
    return f'avg by ({by}) ({price}{{{matchers},mix="blended"}})'


def _price_ratio() -> str:
    candidate, baseline = (
        _price("job", f'job=~"$job",target=~"{of}"') for of in ("$candidate", "$baseline")
    )
    return f"{candidate} / on (job) ({baseline})"


def _ratios() -> Section:
    return Section(
        "Candidate / baseline",
        [
            _less_is_better(
                "TTFT p50", "Median time to first token", _quantile_ratio(0.5, TIME_TO_FIRST_TOKEN)
            ),
            _less_is_better(
                "TTFT p95", "Time to first token, p95", _quantile_ratio(0.95, TIME_TO_FIRST_TOKEN)
            ),
            _less_is_better(
                "TPOT p50",
                "Median time per output token",
                _quantile_ratio(0.5, TIME_PER_OUTPUT_TOKEN),
            ),
            _less_is_better(
                "Duration p95", "Request duration, p95", _quantile_ratio(0.95, DURATION)
            ),
            _less_is_better("USD per million tokens", "Blended price", _price_ratio()),
            _less_is_better("Cold start p50", "Median cold start", _cold_start_ratio()),
            number(
                Text(
                    "Tokens/s p50",
                    "Median output tokens per second, candidate by baseline; more is better.",
                ),
                COUNT,
                Query(_quantile_ratio(0.5, SPEED)),
                steps=NOT_LESS,
                width=3,
            ),
            number(
                Text(
                    "Success",
                    "Share of successful probes, candidate by baseline; more is better.",
                ),
                COUNT,
                Query(_ratio(success_ratio("MATCHERS", "job", RANGE))),
                steps=Steps(orange=0.995, red=0.98),
                width=3,
            ),
        ],
    )


def _less_is_better(title: str, what: str, expression: str) -> Panel:
    text = Text(title, f"{what}, candidate by baseline; 1 is equal, less is better.")
    return number(text, COUNT, Query(expression), steps=NOT_WORSE, width=3)


def _both(gauge: str, *quantiles: float) -> list[Query]:
    return [
        Query(exact_quantile(q, gauge, BOTH), f"p{q * 100:g} {{{{target}}}} {{{{probe}}}}")
        for q in quantiles
    ]


def _latency() -> Section:
    return Section(
        "Latency",
        [
            over_time(
                Text("Time to first token", "Median and p95 of both."),
                SECONDS,
                *_both(TIME_TO_FIRST_TOKEN, 0.5, 0.95),
            ),
            over_time(
                Text("Request duration", "Median and p95 of both."),
                SECONDS,
                *_both(DURATION, 0.5, 0.95),
            ),
        ],
    )


def _stream() -> Section:
    return Section(
        "Stream",
        [
            over_time(
                Text("Output tokens per second", "Median of both, after the first token."),
                COUNT,
                *_both(SPEED, 0.5),
            ),
            over_time(
                Text("Time per output token", "Median and p95 of both."),
                SECONDS,
                *_both(TIME_PER_OUTPUT_TOKEN, 0.5, 0.95),
            ),
        ],
    )


def _reliability() -> Section:
    both = 'job=~"$job",target=~"$baseline|$candidate"'
    return Section(
        "Reliability and price",
        [
            over_time(
                Text("Success", "Share of the probes of both that succeeded."),
                RATIO,
                Query(success_ratio(BOTH, "target"), "{{target}}"),
                width=8,
            ),
            over_time(
                Text(
                    "USD per million tokens", "Blended by the configured mix of input and output."
                ),
                USD,
                Query(_price("target", both), "{{target}}"),
                width=8,
            ),
            over_time(
                Text("Cold start, median", "For both, if cold starts are measured."),
                SECONDS,
                Query(quantile(0.5, COLD_START, BOTH, "target"), "{{target}}"),
                width=8,
            ),
        ],
    )
