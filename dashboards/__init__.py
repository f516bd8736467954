"""Grafana dashboards as code; ``python -m dashboards`` builds the JSON that is committed."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
