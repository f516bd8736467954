"""How good the alerts are: simulated months in a real Prometheus, judged against what was injected."""
