"""Every target has one shard, and an additional shard moves only a few of them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cluster.sharding import Shard, owner

TARGETS = [f"target-{number}" for number in range(3_000)]


@given(st.text(), st.integers(1, 20))
def test_each_target_is_owned_by_exactly_one_shard(target: str, shards: int) -> None:
    owners = [index for index in range(shards) if Shard(index, shards).owns(target)]
    assert owners == [owner(target, shards)]


def test_shards_get_equal_shares() -> None:
    shares = Counter(owner(target, 3) for target in TARGETS)
    assert all(900 < share < 1_100 for share in shares.values())


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_a_further_shard_takes_its_share_and_moves_nothing_else(shards: int) -> None:
    moved = [t for t in TARGETS if owner(t, shards) != owner(t, shards + 1)]
    assert all(owner(target, shards + 1) == shards for target in moved)
    assert len(moved) == pytest.approx(len(TARGETS) / (shards + 1), rel=0.15)


@pytest.mark.parametrize(
    ("text", "host", "shard"),
    [
        ("0/1", "x", Shard()),
        ("2/3", "x", Shard(2, 3)),
        ("auto/3", "exporter-1", Shard(1, 3)),
        ("auto/12", "inference-exporter-11.monitoring.svc", Shard(11, 12)),
    ],
)
def test_a_shard_is_written_as_index_and_count(text: str, host: str, shard: Shard) -> None:
    assert Shard.parse(text, host) == shard


@pytest.mark.parametrize(
    ("text", "host", "mistake"),
    [
        ("", "x", "INDEX/COUNT"),
        ("1", "x", "INDEX/COUNT"),
        ("-1/3", "x", "INDEX/COUNT"),
        ("3/3", "x", "no shard 3 of 3"),
        ("0/0", "x", "no shard 0 of 0"),
        ("auto/3", "exporter-3", "no shard 3 of 3"),
        ("auto/3", "laptop", "'laptop' does not end with a number"),
    ],
)
def test_an_invalid_shard_is_refused(text: str, host: str, mistake: str) -> None:
    with pytest.raises(ValueError, match=mistake):
        Shard.parse(text, host)


def test_each_of_several_shards_has_a_name_of_its_own() -> None:
    """With one Lease for all shards, only one shard would probe its targets."""
    assert Shard().own("lease") == "lease"
    assert [Shard(index, 3).own("lease") for index in range(3)] == ["lease-0", "lease-1", "lease-2"]
