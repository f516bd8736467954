"""The configuration as typed, frozen models."""

from exporter.config.plan import Plan
from exporter.config.root import Config, Defaults
from exporter.config.target import Target
from exporter.config.web import Web
from exporter.kinds import Probe

__all__ = ["Config", "Defaults", "Plan", "Probe", "Target", "Web"]
