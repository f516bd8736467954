"""The network below HTTP: timed connections, kernel-stamped reads, and the loop that reads."""
