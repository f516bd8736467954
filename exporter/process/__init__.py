"""What belongs to the process itself: loop, heap, heartbeat, logs."""
