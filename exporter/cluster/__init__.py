"""The exporter's environment: a Kubernetes API server for targets and leader election, a cloud for
the region."""
