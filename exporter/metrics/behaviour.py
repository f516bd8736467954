"""Detects changes in a model's behavior, by its answers to fixed prompts.

The detector makes no assumption about how much a model's answers normally vary. It ranks each
answer by how strange it is among all answers to the same prompt, including itself. As long as
nothing changes, this rank is uniformly random, however the model behaves (conformal prediction:
Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World").

The detector bets on the ranks of strange answers, and the winnings are the evidence. A bet on a
random rank wins nothing on average. Without a change, the winnings therefore exceed ``exp(LIMIT)``
at most once in that many answers on average. This is exact until the oldest answers are forgotten.
``benchmarks/fingerprint.py`` measures how much of it holds after that.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Annotated

from pydantic import Field

from exporter.result import Fingerprint

LIMIT = 11.0
"""Evidence that chance alone reaches at most once in 60,000 answers. With one answer every five
minutes, that is once in seven months."""

_PAST = 96
"""How many answers to one prompt are remembered."""
_BETS = (0.3, 0.5, 0.7)
"""How boldly each bet plays, from changes that every answer shows to changes that few answers
show."""

Likelihoods = Mapping[str, Annotated[float, Field(ge=0, le=1)]]
"""The square root of each token's probability. With square roots, differences between small
probabilities weigh as much as those between large ones (Hellinger distance)."""

_RANDOM = Random()
"""Shared, because the state of each generator takes 2.5 kB."""

_Won = tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...]


@dataclass(frozen=True, slots=True)
class Remembered:
    """Everything that later answers are compared with. Immutable."""

    answers: Mapping[str, Annotated[tuple[str, ...], Field(max_length=_PAST)]]
    """Digests of the answers to each prompt, oldest first."""
    tokens: Mapping[str, Annotated[tuple[Likelihoods, ...], Field(max_length=_PAST)]]
    """The likeliest first tokens of the same answers, if the provider reports them."""
    won_by_answers: Annotated[_Won, Field(min_length=len(_BETS), max_length=len(_BETS))]
    won_by_tokens: Annotated[_Won, Field(min_length=len(_BETS), max_length=len(_BETS))]
    """The winnings of each bet so far."""


class Behaviour:
    """Compares one target's answers to one set of prompts with its earlier answers."""

    def __init__(self, random: Random | None = None) -> None:
        self._random = random or _RANDOM
        self.changes = 0
        """How often the model's behavior has changed."""
        self._forget()

    def _forget(self) -> None:
        self._answers: dict[str, deque[str]] = {}
        self._tokens: dict[str, deque[Likelihoods]] = {}
        self._by_answers, self._by_tokens = _Sum(), _Sum()
        self._agreeing: dict[str, bool] = {}
        self._distances: dict[str, float] = {}

    def remembered(self) -> Remembered:
        """Return the state to restore after a restart."""
        return Remembered(
            {prompt: tuple(past) for prompt, past in self._answers.items()},
            {prompt: tuple(past) for prompt, past in self._tokens.items()},
            self._by_answers.won,
            self._by_tokens.won,
        )

    def recall(self, past: Remembered, prompts: Collection[str]) -> None:
        """Restore the state from before a restart, for the prompts that are still in use."""
        self._forget()
        for prompt in prompts:
            if prompt in past.answers:
                self._answers[prompt] = deque(past.answers[prompt], maxlen=_PAST)
            if prompt in past.tokens:
                self._tokens[prompt] = deque(past.tokens[prompt], maxlen=_PAST)
        self._by_answers, self._by_tokens = _Sum(past.won_by_answers), _Sum(past.won_by_tokens)

    @property
    def evidence(self) -> float:
        """How strongly the latest answers show that the model has changed, from 0 to ``LIMIT``."""
        sums = [self._by_answers.value, *([self._by_tokens.value] if self._tokens else [])]
        return max(0.0, math.log(sum(sums) / len(sums)))

    @property
    def agreement(self) -> float | None:
        """The share of prompts whose latest answer is the usual one."""
        agreeing = self._agreeing.values()
        return sum(agreeing) / len(agreeing) if agreeing else None

    @property
    def distance(self) -> float | None:
        """The distance between the probabilities of the first token and the usual ones.

        0 means equal. 1 means that no token is likely in both. ``None`` if the provider doesn't
        report probabilities.
        """
        distances = self._distances.values()
        # Rounding errors make equal answers differ by 1e-8.
        return round(sum(distances) / len(distances), 6) if distances else None

    def take(self, seen: Fingerprint) -> bool:
        """Compare an answer with the past, and return whether it shows that the model has changed.

        After a change, the detector forgets the past and learns the new behavior.
        """
        self._take_answer(seen.prompt, seen.answer)
        if seen.first_token:
            self._take_token(seen.prompt, dict(seen.first_token))
        if self.evidence < LIMIT:
            return False
        self.changes += 1
        self._forget()
        return True

    def _take_answer(self, prompt: str, text: str) -> None:
        past = self._answers.setdefault(prompt, deque(maxlen=_PAST))
        # An answer can be long, and all that matters is whether it is the same.
        answer = blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()
        usual = Counter(past).most_common(1)
        if usual:
            self._agreeing[prompt] = answer == usual[0][0]
        past.append(answer)
        counts = Counter(past)
        rarities = [-counts[one] for one in past]
        self._by_answers.add(self._rank(rarities))

    def _take_token(self, prompt: str, probabilities: Mapping[str, float]) -> None:
        past = self._tokens.setdefault(prompt, deque(maxlen=_PAST))
        roots = {token: math.sqrt(probability) for token, probability in probabilities.items()}
        if past:
            self._distances[prompt] = _distance(roots, _mean(past))
        past.append(roots)
        mean = _mean(past)
        self._by_tokens.add(self._rank([_distance(one, mean) for one in past]))

    def _rank(self, strangeness: Sequence[float]) -> float:
        """Return the share of answers that are at least as strange as the last one. Ties are
        random."""
        last = strangeness[-1]
        stranger = sum(one > last + _SAME for one in strangeness)
        tied = sum(abs(one - last) <= _SAME for one in strangeness)
        # The rank must not be 0, which would win an infinite amount.
        return (stranger + tied * (1 - self._random.random())) / len(strangeness)


_SAME = 1e-9


class _Sum:
    """The winnings of bets on strange ranks. They restart at one whenever they fall below one."""

    def __init__(self, won: Sequence[float] = (1.0,) * len(_BETS)) -> None:
        self._won = array("d", won)

    @property
    def won(self) -> tuple[float, ...]:
        """The winnings of each bet."""
        return tuple(self._won)

    @property
    def value(self) -> float:
        return sum(self._won) / len(self._won)

    def add(self, rank: float) -> None:
        for place, bold in enumerate(_BETS):
            self._won[place] = max(1.0, self._won[place]) * bold * rank ** (bold - 1)


def _mean(past: Collection[Likelihoods]) -> Likelihoods:
    total: defaultdict[str, float] = defaultdict(float)
    for one in past:
        for token, root in one.items():
            total[token] += root
    return {token: value / len(past) for token, value in total.items()}


def _distance(one: Likelihoods, other: Likelihoods) -> float:
    squares = sum((one.get(token, 0.0) - other.get(token, 0.0)) ** 2 for token in {*one, *other})
    return math.sqrt(min(1.0, squares / 2))
