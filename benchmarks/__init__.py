"""Measured figures about the exporter itself; never timed tests."""
