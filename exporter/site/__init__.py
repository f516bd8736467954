"""The exporter's own HTTP server: pages, API, and metrics."""
