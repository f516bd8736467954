"""The output of other tools from real runs, as the benchmark reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.peer_tools import read_aiperf, read_guidellm
from benchmarks.truth.clients import Seen

RUNS = Path(__file__).parents[1] / "fixtures" / "peers"


@pytest.mark.parametrize(
    ("read", "request_id", "first_token", "ttft", "tpot", "duration"),
    [
        (read_guidellm, "truth-69", 1795571951.828888, 0.151966, 0.019942, 0.291997),
        (
            read_aiperf,
            "5f4c8ed5-a5bc-44dd-96c8-bf2b1a8e0d31",
            1795571817.233991,
            0.161899,
            0.020018,
            0.302027,
        ),
    ],
)
def test_the_first_request_of_each_export(
    read: Callable[[Path], Iterator[Seen]],
    request_id: str,
    first_token: float,
    ttft: float,
    tpot: float,
    duration: float,
) -> None:
    first = next(read(RUNS))

    assert first.request_id == request_id
    assert first.first_token_ns / 1e9 == pytest.approx(first_token, abs=1e-6)
    assert first.time_to_first_token_seconds == pytest.approx(ttft, abs=1e-6)
    assert first.time_per_output_token_seconds == pytest.approx(tpot, abs=1e-6)
    assert first.request_duration_seconds == pytest.approx(duration, abs=1e-6)


@pytest.mark.parametrize("read", [read_guidellm, read_aiperf])
def test_only_what_succeeded_counts(read: Callable[[Path], Iterator[Seen]]) -> None:
    assert len(list(read(RUNS))) == 2
