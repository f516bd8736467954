"""What a Prometheus server remembers."""
