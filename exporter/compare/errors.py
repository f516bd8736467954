"""Errors that prevent a report; each message gives the reason and what to do."""

from __future__ import annotations


class PartiesError(ValueError):
    """The command line does not say clearly what to compare."""


class CompareError(Exception):
    """There are no samples to compare."""
