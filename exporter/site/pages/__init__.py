"""The pages for people: one template each, no build step, nothing loaded from elsewhere."""
