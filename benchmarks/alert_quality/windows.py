"""What PromQL's ``..._over_time`` functions give, for arrays of targets by steps of time.

A step at which a series has no value is NaN. A range of n steps ends at its own step, as PromQL's
ranges are open to the left.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Marks = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def running(values: Array) -> tuple[Array, Array]:
    """Running sums and counts, for ``part``; NaN adds nothing."""
    known = ~np.isnan(values)
    sums = np.where(known, values, 0).cumsum(axis=1, dtype=np.float64)
    return sums.astype(np.float32), known.cumsum(axis=1, dtype=np.float32)


def part(total: Array, steps: int) -> Array:
    """``sum_over_time`` or ``count_over_time`` of what was summed up."""
    sums = total.copy()
    sums[:, steps:] -= total[:, :-steps]
    return sums


def count_over(flags: Flags, steps: int) -> npt.NDArray[np.float64]:
    """How many of them there were."""
    total = flags.cumsum(axis=1, dtype=np.float64)
    result = total.copy()
    result[:, steps:] -= total[:, :-steps]
    return result


def lately(flags: Flags, steps: int) -> Flags:
    """``max_over_time`` of what is there or not."""
    return count_over(flags, steps) > 0


def max_over(values: Array, steps: int) -> Array:
    """``max_over_time``."""
    known = np.where(np.isnan(values), -np.inf, values).astype(np.float32)
    most, reach = known.copy(), 1
    while reach < steps:
        further = min(reach, steps - reach)
        most[:, further:] = np.maximum(most[:, further:], most[:, :-further].copy())
        reach += further
    return most


def delayed(values: Array, steps: int) -> Array:
    """``offset``."""
    result = np.full_like(values, np.nan)
    result[:, steps:] = values[:, : values.shape[1] - steps]
    return result


def at(values: Array, marks: Marks, steps: int, stride: int = 1) -> npt.NDArray[np.float32]:
    """The range that ends at each mark, every ``stride`` steps: targets by marks by steps. Marks
    must be multiples of the stride."""
    index = marks[:, None] - np.arange(0, steps, stride)[None, ::-1]
    found = values[:, np.maximum(index, 0)]
    return np.where(index >= 0, found, np.float32(np.nan))


def held(at_marks: Array, marks: Marks, steps: int) -> Array:
    """Values of the marks until the next one."""
    place = np.searchsorted(marks, np.arange(steps), side="right") - 1
    result = at_marks[:, np.maximum(place, 0)]
    result[:, place < 0] = np.nan
    return result
