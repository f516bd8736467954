"""``python -m benchmarks`` runs every benchmark; ``--quick`` in its short form."""

from __future__ import annotations

from benchmarks import histograms, load, scrape, truth

for benchmark in (truth, scrape, histograms, load):
    print(f"\n## {benchmark.__name__}")
    benchmark.main()
