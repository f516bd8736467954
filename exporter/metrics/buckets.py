"""The bucket bounds of classic histograms."""

from __future__ import annotations

FIRST_TOKEN_BUCKETS = (0.03, 0.098, 0.18, 0.32, 0.58, 1.1, 1.9, 3.4, 6.2, 11, 37)
"""Each bucket costs one series per target.

The bounds are close together where models normally answer, from a tenth of a second to ten seconds,
in equal steps on a logarithmic scale. For times outside this range, see the native buckets and the
latest values.
"""
DURATION_BUCKETS = (0.054, 0.18, 0.58, 1.1, 1.9, 3.4, 6.2, 11, 20, 37)
TOKEN_TIME_BUCKETS = (0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1)
SPEED_BUCKETS = (5, 15, 30, 50, 80, 130, 300)
CHUNK_BUCKETS = (0.02, 0.05, 0.2, 1)
"""Coarse bounds, enough to tell a stream that stalls from one that flows."""
PHASE_BUCKETS = (0.005, 0.05, 0.25)
"""Coarse bounds, because a target has three of these histograms. They only show which phase became
slow."""
COLD_BUCKETS = (
    0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1800,
)  # fmt: skip
LAG_BUCKETS = (
    0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.05, 0.1, 0.3, 1, 3, 10,
)  # fmt: skip
