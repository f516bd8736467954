"""Building blocks of typed settings."""
