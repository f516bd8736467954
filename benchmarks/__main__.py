"""``python -m benchmarks`` runs every benchmark; ``--quick`` in its short form."""

from __future__ import annotations

from benchmarks import (
    alerts,
    cold_outliers,
    cold_starts,
    compare,
    histograms,
    load,
    scrape,
    truth,
)

for benchmark in (truth, scrape, histograms, load, cold_outliers, cold_starts, alerts, compare):
    print(f"\n## {benchmark.__name__}")
    benchmark.main()
