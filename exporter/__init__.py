"""A Prometheus exporter that measures LLM inference the way its users feel it."""

__version__ = "0.1.0"
