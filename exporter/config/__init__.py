"""The configuration as typed, frozen models: what is asked, who is asked, how often."""
