"""From files and variables to a ``Config``, or to all errors with file, line, and key."""
