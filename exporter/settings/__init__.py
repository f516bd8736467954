"""What any typed setting needs."""
