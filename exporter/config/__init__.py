"""The configuration as typed, frozen models: what is asked, who is asked, how often."""

from exporter.config.plan import Plan
from exporter.config.probe import Probe
from exporter.config.root import Config, Defaults
from exporter.config.target import Target
from exporter.config.web import Web

__all__ = ["Config", "Defaults", "Plan", "Probe", "Target", "Web"]
