"""The accuracy of measurements, compared with a server that records what it sends."""
