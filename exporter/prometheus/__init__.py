"""Reads the history in a Prometheus server."""
