"""Runs all benchmarks, or the named ones: ``python -m benchmarks [NAME ...]``.

``--quick`` runs their short form.
"""

from __future__ import annotations

import sys
from types import ModuleType

from benchmarks import (
    alerts,
    cold_outliers,
    cold_starts,
    compare,
    confirmation,
    faults,
    fingerprint,
    histograms,
    hostile,
    leaks,
    load,
    pages,
    redaction,
    scrape,
    series,
    starting,
)
from benchmarks.cpu import run as cpu
from benchmarks.soak import run as soak
from benchmarks.truth import run as truth

_MODULES = (
    scrape,
    series,
    starting,
    histograms,
    load,
    pages,
    redaction,
    leaks,
    faults,
    hostile,
    cold_outliers,
    cold_starts,
    alerts,
    confirmation,
    fingerprint,
    compare,
)
BENCHMARKS: dict[str, ModuleType] = {"truth": truth, "cpu": cpu, "soak": soak} | {
    module.__name__.rpartition(".")[2]: module for module in _MODULES
}


def main() -> None:
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if unknown := set(names) - BENCHMARKS.keys():
        sys.exit(f"no benchmark is named {unknown.pop()!r}; there are {', '.join(BENCHMARKS)}")
    sys.argv[1:] = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    for name in names or BENCHMARKS:
        print(f"\n## {name}", flush=True)
        BENCHMARKS[name].main()


main()
