"""Turns files and variables into a ``Config``, or reports all errors with file, line and key."""
