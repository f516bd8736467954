"""What the exporter's own HTTP server answers."""
