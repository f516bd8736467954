"""Where the samples of a comparison come from: probes, or a file of them."""
