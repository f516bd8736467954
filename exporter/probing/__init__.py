"""Probes and their schedule."""
