"""All label names of the exporter's series.

Metrics use only these names, and a target's own labels can't use any of them. A series therefore
never has a label twice. Otherwise Prometheus would reject the whole scrape.
"""

from __future__ import annotations

from enum import StrEnum


class Label(StrEnum):
    """A label name that has a meaning in the exporter's series."""

    TARGET = "target"
    PROVIDER = "provider"
    MODEL = "model"
    PROBE = "probe"
    OUTCOME = "outcome"
    REASON = "reason"
    PHASE = "phase"
    SIGNAL = "signal"
    TYPE = "type"
    MIX = "mix"
    RESOURCE = "resource"
    SLO = "slo"
    ENDPOINT = "endpoint"
    REGION = "region"
    SERVED_MODEL = "served_model"
    VERSION = "version"
    PYTHON = "python"
    LEASE = "lease"
    LEADER = "leader"
    SHARD = "shard"
    STATE = "state"
    PURPOSE = "purpose"
    CACHE = "cache"
    MEASURE = "measure"
    CONTROL = "control"
    LOCATION = "location"


COMMON_LABELS = (Label.TARGET, Label.PROVIDER, Label.MODEL, Label.PROBE)
"""The labels of every series of a target."""

# If the exporter knows its location, all its series have the label ``location``.
_OF_PROMETHEUS = frozenset({"le", "quantile", "job", "instance", "request_id"})
"""Names that have a meaning in Prometheus or in the exporter's exemplars."""

RESERVED_LABELS = frozenset(map(str, Label)) | _OF_PROMETHEUS
"""Names that a target's own labels can't use."""
