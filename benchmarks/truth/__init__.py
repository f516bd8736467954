"""How true the measurements are, held against a server that knows what it sent."""
