"""From samples to intervals and verdicts."""
