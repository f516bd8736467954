"""Turns samples into intervals and verdicts."""
