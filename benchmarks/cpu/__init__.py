"""What it costs to read a streamed answer, and how little it could."""
