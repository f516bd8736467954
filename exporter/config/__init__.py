"""The configuration as typed, frozen models: what is asked, who is asked, how often."""

from exporter.config.plan import Plan
from exporter.config.root import Config, Defaults
from exporter.config.target import Target
from exporter.config.web import Web
from exporter.kinds import Probe

__all__ = ["Config", "Defaults", "Plan", "Probe", "Target", "Web"]
