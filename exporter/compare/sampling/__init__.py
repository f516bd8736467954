"""Collects samples by sending probes."""
