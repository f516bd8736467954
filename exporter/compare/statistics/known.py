"""The known values of the sides, and how many of them count."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from exporter.compare.statistics.resampling import Floats, Integers

ByBlock = Mapping[int, Sequence[float | None]]
"""A value of each probe of a target, by block; ``None`` if it is unknown."""

_ONE_BURST_BLOCKS = 2


@dataclass(frozen=True, slots=True)
class Known:
    """The known values of a target."""

    values: Floats
    blocks: Integers
    """The index of each value's block."""


def known_of(
    by_block: ByBlock, index: Mapping[int, int], shares: Mapping[int, float], seed: int
) -> Known:
    """Return the values in these blocks.

    :param index: the index of each block.
    :param shares: by block, the share of the probes that counts.
    """
    random = np.random.default_rng(seed)
    rows = [
        (index[block], value)
        for block, share in shares.items()
        for value in _some_known(by_block.get(block, ()), share, random)
    ]
    return Known(np.array([v for _, v in rows]), np.array([i for i, _ in rows], np.intp))


def _some_known(
    values: Sequence[float | None], share: float, random: np.random.Generator
) -> Sequence[float]:
    """Return as many known values as this share of all values, but at least one.

    Chance decides which. Concurrent requests are in the order of their ends, so the first ones are
    the fastest.
    """
    known = [value for value in values if value is not None]
    size = max(1, round(share * len(values)))
    return known if len(known) <= size else [*random.choice(known, size, replace=False)]


def shared_shares(sides: Sequence[ByBlock], blocks: Sequence[int]) -> dict[int, float]:
    """Return the share of the probes of each block that have a value on every side.

    :param blocks: a side without probes in one of these blocks doesn't count there.
    """
    return {
        block: min(_share_known(own[block]) for own in sides if block in own) for block in blocks
    }


def _share_known(values: Sequence[float | None]) -> float:
    return sum(value is not None for value in values) / len(values)


def bursts(sides: Sequence[Known], share: float) -> float:
    """Return the effective number of bursts of values beyond the quantile of these sides.

    It is the inverse of Simpson's index: one large burst among small ones counts for nearly
    all. Blocks with at most one block between them belong to the same burst.
    """
    values = np.concatenate([side.values for side in sides])
    blocks = np.concatenate([side.blocks for side in sides])
    sizes: list[int] = []
    latest: float = -math.inf
    for index in sorted(blocks[values > np.quantile(values, share)]):
        if index - latest > _ONE_BURST_BLOCKS:
            sizes.append(0)
        sizes[-1] += 1
        latest = index
    squares = sum(size**2 for size in sizes)
    return sum(sizes) ** 2 / squares if squares else 0.0
