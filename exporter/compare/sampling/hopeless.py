"""Ends a comparison with a target that only fails."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from exporter.compare.errors import CompareError
from exporter.compare.sample import Sample

_HOPELESS_FAILURES = 10
"""After this many failures without a success, the target is misconfigured or down."""


class SamplingError(CompareError):
    """A target only fails. The message gives the reason and what to do.

    :param failures: all failures of the target.
    """

    def __init__(self, failures: Sequence[Sample]) -> None:
        latest, times = failures[-1], len(failures)
        super().__init__(
            f"target {latest.target} has failed {times} times out of {times}, last with"
            f" {latest.failure} ({latest.detail}); fix it and compare again"
        )


class Hopeless:
    """Counts the failures of each target since this session began, until its first success.

    :param earlier: the samples of earlier sessions. Their successes count. Their failures don't,
        because someone may have fixed the target since.
    :param pardoned: failures that show that the target works, so they count as successes.
    """

    def __init__(self, earlier: Iterable[Sample], pardoned: Collection[str] = ()) -> None:
        self._pardoned = pardoned
        self._hopeful = {sample.target for sample in earlier if self._works(sample)}
        self._failures: dict[str, list[Sample]] = defaultdict(list)

    def take(self, sample: Sample) -> None:
        if self._works(sample):
            self._hopeful.add(sample.target)
        elif sample.failure:
            self._failures[sample.target].append(sample)

    def check(self, target: str) -> None:
        """:raises SamplingError: the target has failed often, and has never succeeded."""
        failures = self._failures[target]
        if target not in self._hopeful and len(failures) >= _HOPELESS_FAILURES:
            raise SamplingError(failures)

    def _works(self, sample: Sample) -> bool:
        if sample.failure is None:
            return not sample.interrupted
        return sample.failure in self._pardoned
