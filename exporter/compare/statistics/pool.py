"""The samples of all targets in blocks, ready for resampling."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from exporter.compare.sample import Sample
from exporter.compare.statistics.autocorrelation import memory, run_variance
from exporter.compare.statistics.findings import Blocks
from exporter.compare.statistics.known import ByBlock, Known, known_of, shared_shares
from exporter.compare.statistics.measures import Value
from exporter.compare.statistics.pairs import Pairs, Side
from exporter.compare.statistics.proportions import Share
from exporter.compare.statistics.resampling import Floats, Resampling, run_length

_OfBlock = Callable[[Sequence[Sample]], float | None]


@dataclass(frozen=True, slots=True)
class RatioOfTarget:
    """The ratio of two sums over the samples of a target."""

    value: float | None
    """``None`` if the denominator is 0."""
    draws: Floats
    """The ratio in each draw."""
    answers: int
    """The number of samples whose denominator isn't 0."""


class Pool:
    """Samples and one resampling of their blocks.

    :param draws: the number of resamples.
    """

    def __init__(
        self,
        samples: Iterable[Sample],
        baseline: str,
        candidates: Sequence[str],
        draws: int,
        seed: int,
    ) -> None:
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        self._strata: dict[int, str] = {}
        levels: dict[int, int] = {}
        for sample in sorted(samples, key=lambda sample: sample.block):
            self._samples[sample.target].append(sample)
            self._strata[sample.block] = sample.stratum
            levels[sample.block] = sample.streams
        self._seed = seed
        self._index = {block: index for index, block in enumerate(self._strata)}
        numbers = {stratum: number for number, stratum in enumerate(set(self._strata.values()))}
        self._strata_numbers = np.array([numbers[s] for s in self._strata.values()], np.intp)
        self.run_length = max(
            (run_length(series) for series in self._differences(baseline, candidates)), default=1
        )
        self._resampling = Resampling(
            [*self._strata.values()], self.run_length, draws, seed, [*levels.values()]
        )

    @property
    def units(self) -> float:
        """The number of independent blocks, or independent runs of blocks."""
        return len(self._index) / self.run_length

    def alike(self, targets: Sequence[str], value: Value) -> list[Known]:
        """Return the values of each target for the same prompts; all values of a single target.

        Only blocks that all of them answered count. In such a block, each target counts the same
        share of its probes: otherwise, a target that fails on every second long prompt would have
        half as many long prompts, and look faster.
        """
        sides = [self._values_by_block(target, value) for target in targets]
        probed = set[int]().union(*sides)
        answered = probed.intersection(*(self.answered_blocks(t, value) for t in targets))
        shares = shared_shares(sides, sorted(answered))
        return [known_of(own, self._index, shares, self._seed) for own in sides]

    def quantiles(self, known: Known, share: float) -> Floats:
        """Return the quantile in each draw."""
        return self._resampling.quantiles(known.values, known.blocks, share)

    def side(self, known: Known) -> Side:
        """Return the logarithms of values, for a comparison by pairs."""
        positive = known.values > 0
        blocks = known.blocks[positive]
        return Side(np.log(known.values[positive]), blocks, self._strata_numbers[blocks])

    def pairs(self, baseline: Side, candidate: Side) -> Pairs:
        return Pairs(baseline, candidate, len(self._index))

    def memory(self, baseline: str, candidate: str, value: Value) -> int:
        """Return how many consecutive blocks count as one by the differences in this value."""
        series = self._difference(
            baseline, candidate, lambda samples: _mean_log(map(value, samples))
        )
        return memory(np.array(series))

    @property
    def blocks(self) -> Set[int]:
        """The numbers of all blocks."""
        return self._index.keys()

    def answered_blocks(self, target: str, value: Value) -> Set[int]:
        """Return the numbers of the blocks in which this value of a target isn't 0 or unknown.

        If the target wasn't probed in a block, as in histories from different times, an answer in
        another block of the same stratum is enough.
        """
        samples = self._samples[target]
        answered = {sample.block for sample in samples if value(sample)}
        strata = {self._strata[block] for block in answered}
        others = self.blocks - {sample.block for sample in samples}
        return answered | {block for block in others if self._strata[block] in strata}

    def ratio(
        self, target: str, numerator: Value, denominator: Value, blocks: Set[int]
    ) -> RatioOfTarget:
        """Return the ratio of two sums over these blocks; the same samples must have both values.

        All blocks with an answer have the same weight, so that failures don't change the mix of
        prompts. A failure (denominator 0) weighs as much as the average answer.
        """
        answers: dict[int, list[tuple[float, float]]] = defaultdict(list)
        failures: list[tuple[int, float]] = []
        for sample in self._samples[target]:
            above, below = numerator(sample), denominator(sample)
            if above is None or below is None or sample.block not in blocks:
                continue
            if below:
                answers[self._index[sample.block]].append((above, below))
            else:
                failures.append((self._index[sample.block], above))
        number = sum(map(len, answers.values()))
        weight = len(answers) / number if number else 0.0
        rows = [(index, *np.mean(of_block, axis=0)) for index, of_block in answers.items()]
        rows += [(index, weight * above, 0.0) for index, above in failures]
        columns, numerators, denominators = np.array(rows).reshape(-1, 3).T
        total = denominators.sum()
        return RatioOfTarget(
            float(numerators.sum() / total) if total else None,
            self._resampling.ratios(numerators, denominators, columns.astype(np.intp)),
            number,
        )

    def probes(self, target: str) -> int:
        """Return the number of probes, successes and failures alike."""
        return len(self._samples[target])

    def has_answers(self, target: str) -> bool:
        return any(sample.failure is None for sample in self._samples[target])

    def successes(self, targets: Sequence[str]) -> list[Share | None]:
        """Return the share of probes that succeeded for each target; ``None`` without probes.

        Probes that fail together count for less than one each. The target whose failures come
        together most sets this weight for all of them: a target that hasn't failed can't show
        whether its failures would come together too. An outage of all targets doesn't count for
        this: it adds nothing to their difference, and would hide how they differ at other times.
        """
        failing = set[int].intersection(*map(self._failing_blocks, targets))
        effect = max(self._design_effect(target, failing) for target in targets)
        return [self._success(target, effect) for target in targets]

    def count_blocks(self, baseline: str, candidate: str) -> Blocks:
        """Count the blocks in which these targets were both probed."""
        sides = [(name, {s.block for s in self._samples[name]}) for name in (baseline, candidate)]
        probed = set.intersection(*(blocks for _, blocks in sides))
        failing = [self._failing_blocks(name) & probed for name, _ in sides]
        neither, either = set.intersection(*failing), set[int]().union(*failing)
        return Blocks(len(probed), len(probed) - len(either), len(neither))

    def _failing_blocks(self, target: str) -> set[int]:
        """Return the blocks in which this target was probed and never answered."""
        own = self._samples[target]
        return {s.block for s in own} - {s.block for s in own if s.failure is None}

    def _success(self, target: str, effect: float) -> Share | None:
        samples = self._samples[target]
        if not samples:
            return None
        hits = sum(sample.failure is None for sample in samples)
        return Share(hits / effect, len(samples) / effect)

    def _values_by_block(self, target: str, value: Value) -> ByBlock:
        blocks: dict[int, list[float | None]] = defaultdict(list)
        for sample in self._samples[target]:
            blocks[sample.block].append(value(sample))
        return blocks

    def _differences(self, baseline: str, candidates: Sequence[str]) -> Iterator[Sequence[float]]:
        """Yield the differences between the sides, block by block.

        If a series has a memory, the bootstrap draws runs of blocks.
        """
        for of_block in (_mean_log_first_token, _mean_log_duration, _failure_ratio):
            for candidate in candidates:
                yield self._difference(baseline, candidate, of_block)

    def _difference(self, baseline: str, candidate: str, of_block: _OfBlock) -> Sequence[float]:
        before, after = (self._by_block(name, of_block) for name in (baseline, candidate))
        return self._without_strata(
            {block: after[block] - before[block] for block in before if block in after}
        )

    def _without_strata(self, by_block: Mapping[int, float]) -> Sequence[float]:
        """Subtract the mean of each stratum.

        Strata take turns. Without this, their differences would repeat and look like a memory.
        """
        of_stratum: dict[str, list[float]] = defaultdict(list)
        for block, value in by_block.items():
            of_stratum[self._strata[block]].append(value)
        means = {stratum: fmean(values) for stratum, values in of_stratum.items()}
        return [value - means[self._strata[block]] for block, value in by_block.items()]

    def _by_block(self, target: str, of_block: _OfBlock) -> dict[int, float]:
        blocks: dict[int, list[Sample]] = defaultdict(list)
        for sample in self._samples[target]:
            blocks[sample.block].append(sample)
        found = {block: of_block(samples) for block, samples in blocks.items()}
        return {block: value for block, value in found.items() if value is not None}

    def _design_effect(self, target: str, without: Set[int]) -> float:
        """Return how many samples carry the information of one independent sample; at least 1.

        :param without: the blocks to leave out.
        """
        samples = [sample for sample in self._samples[target] if sample.block not in without]
        failed = np.array([sample.failure is not None for sample in samples], float)
        failing = failed.mean() if len(failed) else 0.0
        expected = failing * (1 - failing) * len(failed)
        if not expected or len(self._index) == 1:
            return 1.0
        blocks = [self._index[sample.block] for sample in samples]
        excess = np.zeros(len(self._index))
        np.add.at(excess, blocks, failed - failing)
        runs = max(self.run_length, memory(excess))
        return max(1.0, run_variance(excess, runs) / float(expected))


def _mean_log(values: Iterable[float | None]) -> float | None:
    logs = [math.log(value) for value in values if value]
    return sum(logs) / len(logs) if logs else None


def _mean_log_first_token(samples: Sequence[Sample]) -> float | None:
    return _mean_log(sample.time_to_first_token_seconds for sample in samples)


def _mean_log_duration(samples: Sequence[Sample]) -> float | None:
    return _mean_log(sample.request_duration_seconds for sample in samples)


def _failure_ratio(samples: Sequence[Sample]) -> float | None:
    return sum(sample.failure is not None for sample in samples) / len(samples)
