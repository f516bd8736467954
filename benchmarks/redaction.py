"""The cost of redaction, for the texts of a probe and for a megabyte of various texts.

``--quick`` is a short form for CI.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import time
from urllib.parse import quote

from tabulate import tabulate

from exporter.settings.presentable import MAX_DETAIL_CHARACTERS, presentable, shown_answer
from exporter.settings.redaction import redact, remember

KEY = "sk-Ab3+9/Zq=x_Y7-pL0mN2vB5c/T8+eR1w"
SENTENCE = "The quick brown fox jumps over the lazy dog. "


def seconds_of(text: str, rounds: int) -> float:
    started = time.process_time()
    for _ in range(rounds):
        redact(text)
    return (time.process_time() - started) / rounds


def of_a_probe() -> dict[str, str]:
    """Return the texts of one probe, other than the answer."""
    line = {"event": "probe failed", "target": "qwen-max", "reason": "auth", "request_id": "req_01"}
    return {
        "request id": "req_011CQxyzABCDEFGH12345",
        "answer, 20 numbers": " ".join(map(str, range(1, 21))),
        "answer, 2 kB of prose": SENTENCE * 45,
        "log line of 300 characters": json.dumps({**line, "detail": 'it said "no": ' * 15}),
    }


def hostile(size: int) -> dict[str, str]:
    """Return texts designed to take long."""
    noise = random.Random(1).randbytes(size)
    tower = SENTENCE.encode() * (size // 45)
    for _ in range(3):
        tower = base64.b64encode(tower)
    texts = {
        "prose": SENTENCE * (size // 45),
        "one letter": "V" * size,
        "random base64": base64.b64encode(noise).decode(),
        "base64 of base64 of base64": tower.decode(),
        "percent escapes": "%41" * size,
        "HTML escapes": "&amp;#65;" * size,
        "backslashes": "\\" * size,
        "runs just long enough": "A1A1A1A1A1A1!" * size,
        "the key again and again": quote(KEY, safe="") * size,
        "random bytes": noise.decode("latin-1"),
    }
    return {name: text[:size] for name, text in texts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    for keys in (1, 10, 100):
        for number in range(keys):
            remember(f"sk-{number:04}-{random.Random(number).randbytes(20).hex()}")
        rows = [
            (name, keys, 1e6 * seconds_of(text, 20 if quick else 500))
            for name, text in of_a_probe().items()
        ]
        print(tabulate(rows, ("text of a probe", "keys", "µs"), floatfmt=".0f", tablefmt="github"))
        print()
    size = 1 << (16 if quick else 20)
    rows = [(name, size, seconds_of(text, 1)) for name, text in hostile(size).items()]
    print(tabulate(rows, ("text", "characters", "s"), floatfmt=".2f", tablefmt="github"))
    started = time.process_time()
    for text in hostile(size).values():
        presentable(text, MAX_DETAIL_CHARACTERS)
        shown_answer(text)
    each = (time.process_time() - started) / len(rows)
    print(f"\nas the detail and the answer of a probe, cut before: {1000 * each:.1f} ms for each")


if __name__ == "__main__":
    main()
