"""The errors of quantiles from histograms, by bucket layout.

Latencies are log-normal with medians from 10 ms to 60 s. Quantiles are estimated as in Prometheus:
linearly within a classic bucket and exponentially within a native one (see "histogram_quantile" in
its documentation).
"""

from __future__ import annotations

import argparse
import math
import statistics
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from exporter.metrics.buckets import FIRST_TOKEN_BUCKETS
from exporter.metrics.values import NATIVE_SCHEMA, native_index

SHORTEST_SECONDS, LONGEST_SECONDS = 0.005, 120.0
MEDIANS = tuple(0.01 * 6000 ** (step / 24) for step in range(25))
SIGMAS = (0.2, 0.4, 0.8)
QUANTILES = (0.5, 0.95, 0.99)
Range = tuple[float, float]
RANGES: tuple[Range, ...] = ((0.1, 10), (SHORTEST_SECONDS, LONGEST_SECONDS))
"""The range of typical answers, and the range of all observations, in seconds."""
Estimate = Callable[[Sequence[float], float], float]


def geometric(count: int) -> tuple[float, ...]:
    """Return this many bounds with a constant ratio."""
    factor = (LONGEST_SECONDS / SHORTEST_SECONDS) ** (1 / (count - 1))
    return tuple(SHORTEST_SECONDS * factor**step for step in range(count))


def classic(bounds: Sequence[float]) -> Estimate:
    def estimate(values: Sequence[float], quantile: float) -> float:
        counts = Counter(bisect_left(bounds, value) for value in values)
        rank, seen = quantile * len(values), 0
        for bucket, bound in enumerate(bounds):
            count = counts[bucket]
            if seen + count >= rank:
                lower = bounds[bucket - 1] if bucket else 0.0
                return lower + (bound - lower) * (rank - seen) / count
            seen += count
        return bounds[-1]

    return estimate


def native(values: Sequence[float], quantile: float) -> float:
    counts = Counter(map(native_index, values))
    rank, seen = quantile * len(values), 0
    for index in sorted(counts):
        if seen + counts[index] >= rank:
            share = (rank - seen) / counts[index]
            return float(2 ** ((index - 1 + share) / 2**NATIVE_SCHEMA))
        seen += counts[index]
    return math.nan


def errors(estimate: Estimate, quantile: float, samples: int, within: Range) -> list[float]:
    """Return the relative error for each distribution whose quantile lies in a range of seconds."""
    shortest, longest = within
    random, found = Random(1), []
    for median in MEDIANS:
        for sigma in SIGMAS:
            values = sorted(median * random.lognormvariate(0, sigma) for _ in range(samples))
            exact = values[min(int(quantile * samples), samples - 1)]
            if shortest < exact < longest:
                found.append(abs(estimate(values, quantile) / exact - 1))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.histograms", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some seconds, for CI")
    samples = 1_000 if parser.parse_args().quick else 10_000
    count = len(FIRST_TOKEN_BUCKETS)
    rows: dict[str, Estimate] = {
        f"classic, ours ({count})": classic(FIRST_TOKEN_BUCKETS),
        f"classic, geometric ({count})": classic(geometric(count)),
        "prometheus_client's default (14)": classic(
            (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
        ),
        f"native, schema {NATIVE_SCHEMA}": native,
    }
    for within in RANGES:
        print(f"\nrelative error, mean and largest, from {within[0]:g} s to {within[1]:g} s\n")
        print("| buckets |" + "".join(f" p{q * 100:g} mean | max |" for q in QUANTILES))
        print("|---|" + "--:|--:|" * len(QUANTILES))
        for name, estimate in rows.items():
            cells = []
            for quantile in QUANTILES:
                found = errors(estimate, quantile, samples, within)
                cells += [f"{statistics.mean(found):.1%}", f"{max(found):.1%}"]
            print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
