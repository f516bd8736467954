"""What the exporter asks a Kubernetes API server: which targets there are, and who leads."""
