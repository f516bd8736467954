"""Whether a model still behaves as it did: its answers to fixed prompts, against its own past.

Nothing is supposed about how much a model's answers vary by themselves. Each answer is asked how
strange it is among all answers to the same prompt, this one included: its rank there is as good as
drawn by lot as long as nothing changes, however the model behaves (conformal prediction: Vovk,
Gammerman and Shafer, "Algorithmic Learning in a Random World"). Ranks of strange answers are bet
on, and the winnings are evidence: without a change they pass ``exp(LIMIT)`` at most once in that
many answers on average, since a bet on a draw by lot wins nothing in the mean. That is exact until
the oldest answers are forgotten; ``benchmarks/fingerprint.py`` looks at what is left of it then.
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
"""Evidence that chance alone brings about at most once in 60,000 answers: with one every five
minutes, in seven months."""

_PAST = 96
"""How many answers to one prompt are remembered."""
_BETS = (0.3, 0.5, 0.7)
"""How boldly is bet, from changes that every answer shows to those that few do."""

Likelihoods = Mapping[str, Annotated[float, Field(ge=0, le=1)]]
"""The square root of each token's probability: in these terms, differences of small probabilities
weigh as much as those of large ones (Hellinger's distance)."""

_Won = tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...]


@dataclass(frozen=True, slots=True)
class Remembered:
    """All that later answers are compared with. It never changes."""

    answers: Mapping[str, Annotated[tuple[str, ...], Field(max_length=_PAST)]]
    """Digests of the answers to each prompt, oldest first."""
    tokens: Mapping[str, Annotated[tuple[Likelihoods, ...], Field(max_length=_PAST)]]
    """The likeliest first tokens of the same answers, where they were told."""
    won_by_answers: Annotated[_Won, Field(min_length=len(_BETS), max_length=len(_BETS))]
    won_by_tokens: Annotated[_Won, Field(min_length=len(_BETS), max_length=len(_BETS))]
    """What was won by each of the bets so far."""


class Behaviour:
    """What is known of the answers of one target to one set of prompts."""

    def __init__(self, random: Random | None = None) -> None:
        self._random = random or Random()
        self.changes = 0
        """How often the model has come to behave differently."""
        self._forget()

    def _forget(self) -> None:
        self._answers: dict[str, deque[str]] = {}
        self._tokens: dict[str, deque[Likelihoods]] = {}
        self._by_answers, self._by_tokens = _Sum(), _Sum()
        self._agreeing: dict[str, bool] = {}
        self._distances: dict[str, float] = {}

    def remembered(self) -> Remembered:
        """What to begin with after a restart."""
        return Remembered(
            {prompt: tuple(past) for prompt, past in self._answers.items()},
            {prompt: tuple(past) for prompt, past in self._tokens.items()},
            self._by_answers.won,
            self._by_tokens.won,
        )

    def recall(self, past: Remembered, prompts: Collection[str]) -> None:
        """Begin with what was heard before a restart, of the prompts that are still asked."""
        self._forget()
        for prompt in prompts:
            if prompt in past.answers:
                self._answers[prompt] = deque(past.answers[prompt], maxlen=_PAST)
            if prompt in past.tokens:
                self._tokens[prompt] = deque(past.tokens[prompt], maxlen=_PAST)
        self._by_answers, self._by_tokens = _Sum(past.won_by_answers), _Sum(past.won_by_tokens)

    @property
    def evidence(self) -> float:
        """How strongly the latest answers say that the model has changed: from 0 to ``LIMIT``."""
        sums = [self._by_answers.value, *([self._by_tokens.value] if self._tokens else [])]
        return max(0.0, math.log(sum(sums) / len(sums)))

    @property
    def agreement(self) -> float | None:
        """Share of the prompts whose latest answer is the one that they usually get."""
        agreeing = self._agreeing.values()
        return sum(agreeing) / len(agreeing) if agreeing else None

    @property
    def distance(self) -> float | None:
        """How far the probabilities of the first token are from what they usually are: from 0, the
        same, to 1, where no token is likely in both. ``None`` where nobody tells them."""
        distances = self._distances.values()
        # Equal answers differ by 1e-8: what is left of rounding.
        return round(sum(distances) / len(distances), 6) if distances else None

    def take(self, seen: Fingerprint) -> bool:
        """Compare an answer with the past; whether it shows that the model has changed. From then
        on the new behaviour is learnt, and is what later answers are compared with."""
        self._take_answer(seen.prompt, seen.answer)
        if seen.first_token:
            self._take_token(seen.prompt, dict(seen.first_token))
        if self.evidence < LIMIT:
            return False
        self.changes += 1
        self._forget()
        return True

    def _take_answer(self, prompt: str, said: str) -> None:
        past = self._answers.setdefault(prompt, deque(maxlen=_PAST))
        # An answer may be long, and all that matters is whether it is the same.
        answer = blake2b(said.encode(errors="replace"), digest_size=8).hexdigest()
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
        """The share of answers that are as strange as the last one or stranger; ties are drawn."""
        last = strangeness[-1]
        stranger = sum(one > last + _SAME for one in strangeness)
        tied = sum(abs(one - last) <= _SAME for one in strangeness)
        # Not 0, which would be worth all there is.
        return (stranger + tied * (1 - self._random.random())) / len(strangeness)


_SAME = 1e-9


class _Sum:
    """What was won by betting on strange ranks, as if begun anew whenever it falls below one."""

    def __init__(self, won: Sequence[float] = (1.0,) * len(_BETS)) -> None:
        self._won = array("d", won)

    @property
    def won(self) -> tuple[float, ...]:
        """What each bet has won."""
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
