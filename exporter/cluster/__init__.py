"""What the exporter asks about where it runs: a Kubernetes API server for targets and for who
leads, a cloud for the region."""
