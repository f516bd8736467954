"""PromQL expressions that several panels share."""

from __future__ import annotations

WINDOW = "$__rate_interval"
STEP = "$__interval"
TIME_TO_FIRST_TOKEN = "inference_time_to_first_token_seconds"
SPEED = "inference_output_tokens_per_second"


def success_ratio(matchers: str, by: str, window: str = WINDOW) -> str:
    """The share of probes that succeeded; empty without probes."""
    good = f'increase(inference_probes_total{{{matchers},outcome="success"}}[{window}])'
    every = f"increase(inference_probes_total{{{matchers}}}[{window}])"
    return f"(sum by ({by}) ({good}) / sum by ({by}) ({every}) >= 0)"


def quantile(q: float, histogram: str, matchers: str, by: str, window: str = WINDOW) -> str:
    """A quantile of a native or classic histogram; empty without observations."""
    native = f"sum by ({by}) (increase({histogram}{{{matchers}}}[{window}]))"
    classic = f"sum by (le, {by}) (increase({histogram}_bucket{{{matchers}}}[{window}]))"
    found = " or ".join(f"histogram_quantile({q:g}, {one})" for one in (native, classic))
    return f"(({found}) >= 0)"


def mean(histogram: str, matchers: str, by: str) -> str:
    """The mean of a native or classic histogram; empty without observations."""
    native = f"histogram_avg(sum by ({by}) (increase({histogram}{{{matchers}}}[{WINDOW}])))"
    return f"(({native} or {_classic_mean(histogram, matchers, by)}) >= 0)"


def their_mean(histogram: str, matchers: str, by: str) -> str:
    """The mean of another program's classic histogram; empty without observations."""
    return f"({_classic_mean(histogram, matchers, by)} >= 0)"


def _classic_mean(histogram: str, matchers: str, by: str) -> str:
    total, count = (
        f"sum by ({by}) (increase({histogram}_{part}{{{matchers}}}[{WINDOW}]))"
        for part in ("sum", "count")
    )
    return f"{total} / {count}"


def observed(histogram: str, matchers: str, by: str, window: str) -> str:
    """The increase of the number of observations of a native or classic histogram."""
    native = f"histogram_count(sum by ({by}) (increase({histogram}{{{matchers}}}[{window}])))"
    return f"{native} or {total(f'{histogram}_count', matchers, by, window)}"


def distribution_of(histogram: str, matchers: str, window: str = STEP) -> str:
    """The number of observations in each bucket of a native or classic histogram."""
    native = f"sum (increase({histogram}{{{matchers}}}[{window}]))"
    return f"{native} or {total(f'{histogram}_bucket', matchers, 'le', window)}"


def exact_quantile(q: float, gauge: str, matchers: str, window: str = WINDOW) -> str:
    """A quantile of the exact values of successful probes, without bucket error.

    The query reads every value, so use it for a few targets and not for a fleet.
    """
    return f"quantile_over_time({q:g}, ({gauge}{{{matchers}}} > 0)[{window}:15s])"


def total(counter: str, matchers: str, by: str, window: str = STEP) -> str:
    """The increase of a counter, by default between two points of a panel."""
    return f"sum by ({by}) (increase({counter}{{{matchers}}}[{window}]))"


def against_usual(matchers: str, measure: str) -> str:
    """The slowdown relative to the same hour of last week: 0 is as usual, 0.5 is +50 %."""
    series = f'target:inference_latency:deviation_15m{{{matchers},measure="{measure}"}}'
    return f"exp({series}) - 1"
