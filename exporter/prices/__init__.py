"""Prices, from the configuration and from LiteLLM's price file."""
