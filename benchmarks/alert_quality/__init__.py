"""The quality of the alerts in simulated months, compared with the injected incidents."""
