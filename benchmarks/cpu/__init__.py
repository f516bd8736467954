"""The CPU time for reading a streamed answer, and its lower limit."""
