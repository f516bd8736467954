"""The pages for people: one template each, no build step, no external resources."""
