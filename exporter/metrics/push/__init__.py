"""Pushes series to a receiver, for networks that nothing can scrape."""
