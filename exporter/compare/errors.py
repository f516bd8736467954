"""Errors that prevent a report. Each message gives the reason and what to do."""

from __future__ import annotations


class PartiesError(ValueError):
    """The command line doesn't make clear what to compare."""


class CompareError(Exception):
    """There are no samples to compare."""
