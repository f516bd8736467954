"""What can keep a comparison from a report; each message says why and what to do."""

from __future__ import annotations


class PartiesError(ValueError):
    """The command line does not say clearly what to compare."""


class CompareError(Exception):
    """There are no samples to compare."""
