"""Samples to intervals and verdicts."""
