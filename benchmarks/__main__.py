"""``python -m benchmarks`` runs every benchmark."""

from __future__ import annotations

from benchmarks.truth import main

main()
