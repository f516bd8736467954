"""The sources of samples: probes, or a file."""
