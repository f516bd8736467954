"""How good the alerts are: simulated months in a real Prometheus, judged by what was injected."""
