"""Prices: from the configuration, and from LiteLLM's file of the prices of all models."""
