"""What the fingerprint of behaviour finds, how soon, and how often it cries without cause.

The models are made up: at every place of an answer, a table of 40 logits that hangs on the prompt
and on what was said before. A quantisation adds to each logit an error of its own that stays the
same; noise, as of batches that are put together differently, adds to each another error every time.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice, product
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt

from exporter.metrics.behaviour import LIMIT, Behaviour
from exporter.result import Fingerprint

_PROMPTS = 10
_TOKENS = 40
_ANSWER_TOKENS = 12
_TOP = 5
_WAIT = 300
"""Answers after a change in which it must show."""

_ANSWERS = "fingerprint_answers.json"
"""A model of 17 million parameters whose weights were rounded; batches make its answers vary: see
``tests/real/record_fingerprint.py``."""
_QUANTISED = "quantised_answers.json"
"""One of four million under llama.cpp, and its real quantisations, asked one at a time, so that its
answers do not vary: see ``tests/real/record_quantised.py``."""
_TOLD = {"probabilities": True, "answers alone": False}

Logits = npt.NDArray[np.float64]
_Row = tuple[int, str, list[tuple[str, float]]]
"""Number of a prompt, answer, and first tokens with their probabilities."""


@dataclass(frozen=True, slots=True)
class Serving:
    """How a model is served."""

    noise: float = 0.0
    """Standard deviation of each logit from one answer to the next."""
    quantisation: float = 0.0
    """Standard deviation of what each logit is off, always the same."""
    tells: bool = True
    """Whether the probabilities of the first token are told."""


class _Model:
    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._tables: dict[tuple[int, ...], tuple[Logits, Logits]] = {}
        self._random = np.random.default_rng(seed)

    def answer(self, prompt: int, serving: Serving) -> Fingerprint:
        said: tuple[int, ...] = (prompt,)
        first: tuple[tuple[str, float], ...] = ()
        for place in range(_ANSWER_TOKENS):
            logits = self._logits(said, serving)
            if place == 0 and serving.tells:
                first = _likeliest(logits)
            said += (int(logits.argmax()),)
        return Fingerprint(str(prompt), " ".join(map(str, said)), first)

    def _logits(self, said: tuple[int, ...], serving: Serving) -> Logits:
        if said not in self._tables:
            own = np.random.default_rng([self._seed, *said])
            spread = own.uniform(1.5, 4)
            self._tables[said] = spread * own.standard_normal(_TOKENS), own.standard_normal(_TOKENS)
        true, error = self._tables[said]
        noise = serving.noise * self._random.standard_normal(_TOKENS) if serving.noise else 0.0
        return np.asarray(true + serving.quantisation * error + noise)


def _likeliest(logits: Logits) -> tuple[tuple[str, float], ...]:
    likely = np.exp(logits - logits.max())
    likely /= likely.sum()
    return tuple((str(token), float(likely[token])) for token in np.argsort(likely)[-_TOP:])


def _answers(model: _Model, serving: Serving, count: int) -> Iterator[Fingerprint]:
    return (model.answer(number % _PROMPTS, serving) for number in range(count))


def found_after(seed: int, before: int, as_ever: Serving, changed: Serving) -> int | None:
    """How many answers after the change it was seen; ``None`` if it was not."""
    model, behaviour = _Model(seed), Behaviour(Random(seed))
    for seen in _answers(model, as_ever, before):
        behaviour.take(seen)
    for number, seen in enumerate(_answers(model, changed, _WAIT), start=1):
        if behaviour.take(seen):
            return number
    return None


def false_alarms(seed: int, answers: int, serving: Serving) -> tuple[int, float]:
    """How many changes were seen where there was none, and how near it came to one."""
    behaviour, nearest = Behaviour(Random(seed)), 0.0
    for seen in _answers(_Model(seed), serving, answers):
        behaviour.take(seen)
        nearest = max(nearest, behaviour.evidence)
    return behaviour.changes, nearest


def _detection(trials: int) -> None:
    print("| past of each prompt | noise | quantisation | told | found | answers until then |")
    print("|---|---|---|---|---|---|")
    grid = product((5, 20, 50), (0.0, 0.02, 0.1), (0.02, 0.1, 0.3), _TOLD)
    for past, noise, error, told in grid:
        as_ever, changed = Serving(noise, 0, _TOLD[told]), Serving(noise, error, _TOLD[told])
        trial = [found_after(seed, past * _PROMPTS, as_ever, changed) for seed in range(trials)]
        seen = [count for count in trial if count]
        until = f"{statistics.median(seen):.0f}, at most {max(seen)}" if seen else "-"
        found = f"{len(seen)} of {trials}"
        print(f"| {past} | {noise} | {error} | {told} | {found} | {until} |", flush=True)


def _alarms(targets: int, answers: int) -> None:
    print("\n| noise | told | answers | changes seen | most evidence |\n|---|---|---|---|---|")
    for noise, told in product((0.0, 0.02, 0.1, 0.5), _TOLD):
        serving = Serving(noise, 0, _TOLD[told])
        seen = [false_alarms(seed, answers, serving) for seed in range(targets)]
        changes, nearest = sum(one for one, _ in seen), max(most for _, most in seen)
        asked = targets * answers
        print(f"| {noise} | {told} | {asked} | {changes} | {nearest:.1f} |", flush=True)


def _recorded(file: str, orders: int) -> None:
    """A real model and what became of it. The past is what the first one answered: 16 times each
    prompt."""
    recorded: dict[str, list[_Row]] = json.loads(Path(__file__).with_name(file).read_text())
    was, *others = recorded
    print(f"\n| a real model in {was} becomes | told | found | answers until then |")
    print("|---|---|---|---|")
    for name, told in product(others, _TOLD):
        past, changed = (_seen(recorded[one], tells=_TOLD[told]) for one in (was, name))
        counts = [_found_in(past, changed, seed) for seed in range(orders)]
        seen = [count for count in counts if count]
        until = f"{statistics.median(seen):.0f}, at most {max(seen)}" if seen else "-"
        print(f"| {name} | {told} | {len(seen)} of {orders} | {until} |")


def _seen(rows: list[_Row], *, tells: bool) -> list[Fingerprint]:
    return [
        Fingerprint(str(prompt), answer, tuple((t, p) for t, p in first) if tells else ())
        for prompt, answer, first in rows
    ]


def _found_in(past: list[Fingerprint], changed: list[Fingerprint], seed: int) -> int | None:
    """After how many answers the change was seen; ties are drawn differently with each seed."""
    behaviour = Behaviour(Random(seed))
    for one in past:
        behaviour.take(one)
    if behaviour.changes:
        raise RuntimeError("a change was seen where there was none")
    again = islice(cycle(changed), _WAIT)
    return next((number for number, one in enumerate(again, 1) if behaviour.take(one)), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few trials")
    quick = parser.parse_args().quick
    print(f"A change is counted at evidence {LIMIT:.0f}.\n")
    _detection(trials=4 if quick else 30)
    for file in (_ANSWERS, _QUANTISED):
        _recorded(file, orders=20)
    _alarms(targets=2 if quick else 20, answers=1_000 if quick else 6_000)


if __name__ == "__main__":
    main()
