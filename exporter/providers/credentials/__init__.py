"""Credentials that are fetched and refreshed: AWS's chain, Entra tokens."""
