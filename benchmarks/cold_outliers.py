"""How often the rule for silent cold starts is wrong, and how often it is right.

``python -m benchmarks.cold_outliers`` draws warm times to first token of several kinds of traffic,
most of them from the simulator. For each one, it checks whether ``WarmTimes`` calls it cold, given
the previous ones. It then does the same for times that a cold start delays. The results depend only
on the seed.

The exporter applies the rule only to the first probe after an idle period. So the false-positive
rate is the share of idle periods of a warm model after which one answer is wrongly called cold.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from random import Random

from exporter.cold.warmth import DEVIATIONS, ENOUGH, FACTOR, WINDOW_LENGTH, WarmTimes
from exporter.simulator import Script
from exporter.simulator.generation import generate
from exporter.simulator.steps import Output

MEDIAN_SECONDS = 0.4
PENALTIES = (0.5, 1.0, 2.0, 5.0)
"""The delay of a cold start relative to a warm answer, in seconds."""
FULL, QUICK = 40_000, 4_000
SEED = 20_261_124

Traffic = Callable[[Random], Iterator[float]]


def steady(sigma: float) -> Traffic:
    """The simulator's own jitter: log-normal around a median."""
    script = Script(first_token_seconds=MEDIAN_SECONDS, jitter=sigma)

    def times(random: Random) -> Iterator[float]:
        while True:
            steps = generate(script, None, "Count.", None, random)
            yield next(timed.at_seconds for timed in steps if isinstance(timed.step, Output))

    return times


def queueing(random: Random) -> Iterator[float]:
    """One answer in ten waits in a queue and takes up to four times as long."""
    for seconds in steady(0.25)(random):
        yield seconds * (random.uniform(1, 4) if random.random() < 0.1 else 1)


def two_replicas(random: Random) -> Iterator[float]:
    """Half of the answers come from a replica that is twice as slow."""
    for seconds in steady(0.15)(random):
        yield seconds * random.choice((1, 2))


def by_the_hour(random: Random) -> Iterator[float]:
    """The median doubles and returns within 1,440 probes: a day with one probe per minute."""
    for number, seconds in enumerate(steady(0.25)(random)):
        yield seconds * (1.5 - 0.5 * math.cos(2 * math.pi * number / 1440))


TRAFFIC: dict[str, Traffic] = {
    "jitter 0.1": steady(0.1),
    "jitter 0.25": steady(0.25),
    "jitter 0.5": steady(0.5),
    "jitter 0.75": steady(0.75),
    "queueing": queueing,
    "two replicas": two_replicas,
    "by the hour": by_the_hour,
}


def shares(times: Iterable[float]) -> tuple[float, list[float]]:
    """Return the share of warm times that are called cold, and the same for each delay."""
    warm, asked, wrong, right = WarmTimes(), 0, 0, [0] * len(PENALTIES)
    for number, seconds in enumerate(times):
        if number >= WINDOW_LENGTH:
            asked += 1
            wrong += warm.is_outlier(seconds)
            for index, penalty in enumerate(PENALTIES):
                right[index] += warm.is_outlier(seconds + penalty)
        warm.add(seconds)
    return wrong / asked, [count / asked for count in right]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_outliers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer draws, for CI")
    draws = QUICK if parser.parse_args().quick else FULL
    print(f"cold: later than all of the latest {WINDOW_LENGTH} warm times (at least {ENOUGH}), "
          f"than their median + {DEVIATIONS:g} x 1.4826 MAD\nand than {FACTOR:g} x median; "
          f"warm median {MEDIAN_SECONDS:g} s, {draws:,} draws\n")  # fmt: skip
    heads = " | ".join(f"cold + {penalty:g} s" for penalty in PENALTIES)
    print(f"| warm traffic | false positives | {heads} |")
    print("|---|--:|" + "--:|" * len(PENALTIES))
    for name, traffic in TRAFFIC.items():
        wrong, right = shares(islice(traffic(Random(SEED)), draws))
        print(f"| {name} | {wrong:.3%} | " + " | ".join(f"{share:.1%}" for share in right) + " |")


if __name__ == "__main__":
    main()
