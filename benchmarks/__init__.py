"""Measurements of the exporter itself. Tests never depend on timing; these benchmarks do."""
