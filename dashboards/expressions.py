"""PromQL that several panels share."""

from __future__ import annotations

WINDOW = "$__rate_interval"
STEP = "$__interval"
TIME_TO_FIRST_TOKEN = "inference_time_to_first_token_seconds"
SPEED = "inference_output_tokens_per_second"


def success_ratio(matchers: str, by: str, window: str = WINDOW) -> str:
    """The share of probes that succeeded; empty while there are none."""
    good = f'increase(inference_probes_total{{{matchers},outcome="success"}}[{window}])'
    every = f"increase(inference_probes_total{{{matchers}}}[{window}])"
    return f"(sum by ({by}) ({good}) / sum by ({by}) ({every}) >= 0)"


def quantile(q: float, histogram: str, matchers: str, by: str, window: str = WINDOW) -> str:
    """A quantile of a histogram, native or classic; empty while nothing is observed."""
    native = f"sum by ({by}) (increase({histogram}{{{matchers}}}[{window}]))"
    classic = f"sum by (le, {by}) (increase({histogram}_bucket{{{matchers}}}[{window}]))"
    found = " or ".join(f"histogram_quantile({q:g}, {one})" for one in (native, classic))
    return f"(({found}) >= 0)"


def mean(histogram: str, matchers: str, by: str) -> str:
    """The mean of what a histogram observed, native or classic; empty while that is nothing."""
    native = f"histogram_avg(sum by ({by}) (increase({histogram}{{{matchers}}}[{WINDOW}])))"
    return f"(({native} or {_classic_mean(histogram, matchers, by)}) >= 0)"


def their_mean(histogram: str, matchers: str, by: str) -> str:
    """The same of somebody else's histogram, which is a classic one."""
    return f"({_classic_mean(histogram, matchers, by)} >= 0)"


def _classic_mean(histogram: str, matchers: str, by: str) -> str:
    total, count = (
        f"sum by ({by}) (increase({histogram}_{part}{{{matchers}}}[{WINDOW}]))"
        for part in ("sum", "count")
    )
    return f"{total} / {count}"


def observed(histogram: str, matchers: str, by: str, window: str) -> str:
    """How many observations a histogram, native or classic, has more."""
    native = f"histogram_count(sum by ({by}) (increase({histogram}{{{matchers}}}[{window}])))"
    return f"{native} or {total(f'{histogram}_count', matchers, by, window)}"


def distribution_of(histogram: str, matchers: str, window: str = STEP) -> str:
    """How many observations fell into which bucket, native or classic."""
    native = f"sum (increase({histogram}{{{matchers}}}[{window}]))"
    return f"{native} or {total(f'{histogram}_bucket', matchers, 'le', window)}"


def exact_quantile(q: float, gauge: str, matchers: str, window: str = WINDOW) -> str:
    """A quantile of the successful probes' own values, without bucket error, for each probe. It
    reads every value: for some targets, not for a fleet."""
    return f"quantile_over_time({q:g}, ({gauge}{{{matchers}}} > 0)[{window}:15s])"


def total(counter: str, matchers: str, by: str, window: str = STEP) -> str:
    """How much a counter grew, by default from each point of a panel to the next."""
    return f"sum by ({by}) (increase({counter}{{{matchers}}}[{window}]))"


def against_usual(matchers: str, measure: str) -> str:
    """How much slower than the same hour of the last week: 0 is as usual, 0.5 is +50 %."""
    series = f'target:inference_latency:deviation_15m{{{matchers},measure="{measure}"}}'
    return f"exp({series}) - 1"
