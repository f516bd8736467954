"""The metrics on /metrics."""
