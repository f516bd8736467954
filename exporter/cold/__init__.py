"""Cold starts: models after idleness, servers that boot, and telling cold from warm."""
