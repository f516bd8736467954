"""The bounds of classic histograms."""

from __future__ import annotations

LATENCY_BUCKETS = (
    0.005, 0.009, 0.016, 0.03, 0.054, 0.098, 0.18, 0.32, 0.58, 1.1, 1.9, 3.4, 6.2, 11, 20, 37, 66,
    120,
)  # fmt: skip
"""From 5 ms to 120 s in equal steps on a logarithmic scale: of all buckets of this number they give
the least relative error where nothing is known of the latencies beforehand."""
TOKEN_TIME_BUCKETS = (
    0.0005, 0.001, 0.002, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1,
)  # fmt: skip
SPEED_BUCKETS = (1, 2.5, 5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000)
PHASE_BUCKETS = (0.0005, 0.002, 0.008, 0.03, 0.12, 0.5, 2, 8)
"""Coarse: a target has three of these histograms, which only tell what phase has become slow."""
COLD_BUCKETS = (
    0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1800,
)  # fmt: skip
LAG_BUCKETS = (
    0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10,
)  # fmt: skip
