"""From files and variables to a ``Config``, or to every mistake with file, line and key."""
