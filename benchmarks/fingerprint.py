"""What the behavior fingerprint detects, how soon, and how often it is wrong.

The models are simulated: at every position of an answer, a table of 40 logits depends on the prompt
and on the previous tokens. A quantization adds a constant error to each logit. Noise, as from
different batches, adds a new error to each logit every time.
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
"""The number of answers within which a change must be detected."""

_ANSWERS = "fingerprint_answers.json"
"""Answers of a model with 17 million parameters, before and after rounding its weights. Batching
makes the answers vary. See ``tests/real/record_fingerprint.py``."""
_QUANTISED = "quantised_answers.json"
"""Answers of a model with four million parameters in llama.cpp, and of its real quantizations. One
request at a time keeps the answers constant. See ``tests/real/record_quantised.py``."""
_TOLD = {"probabilities": True, "answers alone": False}

Logits = npt.NDArray[np.float64]
_Row = tuple[int, str, list[tuple[str, float]]]
"""The number of a prompt, the answer, and the first tokens with their probabilities."""


@dataclass(frozen=True, slots=True)
class Serving:
    """How a server runs a model."""

    noise: float = 0.0
    """The standard deviation of each logit between answers."""
    quantisation: float = 0.0
    """The standard deviation of the constant errors of the logits."""
    tells: bool = True
    """Whether the server returns the probabilities of the first token."""


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
    """Return after how many answers a change was detected; ``None`` if it wasn't."""
    model, behaviour = _Model(seed), Behaviour(Random(seed))
    for seen in _answers(model, as_ever, before):
        behaviour.take(seen)
    for number, seen in enumerate(_answers(model, changed, _WAIT), start=1):
        if behaviour.take(seen):
            return number
    return None


def false_alarms(seed: int, answers: int, serving: Serving) -> tuple[int, float]:
    """Return the number of false alarms, and how close the evidence came to one."""
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
    """Evaluate recorded answers of a real model and its changed versions.

    The history consists of the original model's answers, 16 to each prompt.
    """
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
    """Return after how many answers a change was detected; the seed decides ties."""
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
