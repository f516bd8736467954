"""The exporter's environment: a Kubernetes API server for discovery and leader election, and a
cloud's metadata service for the region."""
