"""Series sent to where they are kept, for places that nothing can scrape."""
