"""Samples from Prometheus' memory."""
