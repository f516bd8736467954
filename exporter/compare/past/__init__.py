"""Samples from the history in Prometheus."""
