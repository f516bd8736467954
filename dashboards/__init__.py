"""Grafana dashboards as code; ``python -m dashboards`` builds the JSON that is committed."""
