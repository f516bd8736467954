"""A Prometheus exporter that measures LLM inference the way its users feel it."""

__version__ = "0.1.0"
USER_AGENT = f"inference-exporter/{__version__}"
