"""Samples from known distributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from exporter.compare.sample import Sample
from exporter.compare.subject import Party, Subject

BASELINE, CANDIDATE = "hosted", "own"


def subject(*candidates: str) -> Subject:
    return Subject(
        baseline=Party(name=BASELINE),
        candidates=tuple(Party(name=name) for name in candidates or (CANDIDATE,)),
        source="made up",
        asked="nothing",
    )


def side(
    target: str,
    count: int,
    *,
    slower: float = 1.0,
    failing: float = 0.0,
    usd: float | None = None,
    seed: int = 0,
) -> list[Sample]:
    """Return probes of one target, two in each block.

    :param slower: a factor for every time.
    :param failing: the share of probes that fail.
    :param usd: the price of one request, which always has 100 tokens.
    """
    random = Random(f"{target}/{seed}")
    return [_sample(target, index, slower, failing, usd, random) for index in range(count)]


def _sample(
    target: str, index: int, slower: float, failing: float, usd: float | None, random: Random
) -> Sample:
    first = slower * random.lognormvariate(-1.0, 0.2)
    gap = slower * random.lognormvariate(-4.0, 0.1)
    failed = random.random() < failing
    return Sample(
        target=target,
        block=index // 2,
        finished_at=1_790_000_000.0 + index,
        failure="overloaded" if failed else None,
        detail="come back later" if failed else "",
        time_to_first_token_seconds=None if failed else first,
        time_per_output_token_seconds=None if failed else gap,
        request_duration_seconds=None if failed else first + 59 * gap,
        input_tokens=40,
        output_tokens=60,
        cost_usd=usd,
    )


def failed(sample: Sample, failure: str = "overloaded") -> Sample:
    """Return a probe that failed without any measurement."""
    return replace(
        sample,
        failure=failure,
        time_to_first_token_seconds=None,
        time_per_output_token_seconds=None,
        request_duration_seconds=None,
        input_tokens=None,
        output_tokens=None,
        cost_usd=None,
    )


def cold(target: str, seconds: Sequence[float]) -> list[Sample]:
    """Return cold probes, one in each block."""
    return [
        Sample(target=target, block=block, finished_at=0.0, cold=True, cold_start_seconds=duration)
        for block, duration in enumerate(seconds)
    ]
