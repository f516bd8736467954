"""The encodings in which a key is redacted when a provider echoes it.

The benchmark tries each encoding alone, and all nested pairs and triples. A triple with an encoding
that is nested itself ("twice") is more than three levels deep.

A key is missed if more than ``SHOWN_AT_MOST`` of its encoded form remains, even if its beginning
was redacted.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from tabulate import tabulate

from exporter.settings.redaction import NOT_SHOWN, REDACTED, redact, remember
from tests.fuzz.encodings import ENCODINGS, KEY, NESTABLE

SHOWN_AT_MOST = 0.25
_SLACK = len(REDACTED)


@dataclass
class Found:
    """The number of redacted keys in nested encodings."""

    plays: int = 0
    withheld: int = 0
    """The number of texts with so many nested encodings that they weren't shown at all."""
    missed: list[Sequence[str]] = field(default_factory=list)
    of: Counter[str] = field(default_factory=Counter)
    missed_of: Counter[str] = field(default_factory=Counter)

    partly: list[Sequence[str]] = field(default_factory=list)
    """The missed ones of which the beginning was redacted."""

    def take(self, layers: Sequence[str]) -> None:
        text, around = KEY, ""
        for layer in layers:
            text, around = ENCODINGS[layer](text), ENCODINGS[layer](around)
        shown = redact(f"before {text} after")
        left = len(shown) - len(f"before {around} after")
        self.plays += 1
        self.of.update(set(layers))
        if NOT_SHOWN in shown:
            self.withheld += 1
        elif REDACTED not in shown or left > SHOWN_AT_MOST * (len(text) - len(around)) + _SLACK:
            (self.partly if REDACTED in shown else self.missed).append(layers)
            self.missed_of.update(set(layers))


def _found(depth: int) -> Found:
    found = Found()
    for layers in product(NESTABLE if depth > 1 else ENCODINGS, repeat=depth):
        found.take(layers)
    return found


def _rows(by_depth: Sequence[Found]) -> Iterator[tuple[object, ...]]:
    for encoding in ENCODINGS:
        yield (
            encoding,
            *(f"{found.missed_of[encoding]:,} of {found.of[encoding]:,}" for found in by_depth),
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without the triples")
    remember(KEY)
    began = time.process_time()
    by_depth = [_found(depth) for depth in ((1, 2) if parser.parse_args().quick else (1, 2, 3))]
    head = ("missed", "alone", "in pairs", "in triples")[: len(by_depth) + 1]
    print(tabulate(_rows(by_depth), head, "github", stralign="right", colalign=("left",)))
    for found in by_depth:
        print(
            f"\n{found.plays:,} played, {len(found.missed)} missed, "
            f"{len(found.partly)} partly shown, {found.withheld} withheld"
        )
        for layers in found.missed:
            print(f"  missed: {' in '.join(layers)}")
        for layers in found.partly:
            print(f"  partly shown: {' in '.join(layers)}")
    print(f"\n{time.process_time() - began:.0f} s of processor")


if __name__ == "__main__":
    main()
