"""One probe, and the schedule of all."""
