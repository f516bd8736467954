"""What may be spent in a day: counted, held back, shown, and kept over restarts."""
