"""All label names of the exporter's series.

Metrics use only these names, and a target's own labels can't use any of them. So no series has a
label twice, for which Prometheus would reject the whole scrape.
"""

from __future__ import annotations

from enum import StrEnum


class Label(StrEnum):
    """A label name that the exporter gives a meaning to."""

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
    STATE = "state"
    PURPOSE = "purpose"
    CACHE = "cache"
    MEASURE = "measure"
    CONTROL = "control"
    LOCATION = "location"


COMMON_LABELS = (Label.TARGET, Label.PROVIDER, Label.MODEL, Label.PROBE)
"""What every series of a target carries."""

# ``location`` is on every series there is, where the exporter knows its own.
_OF_PROMETHEUS = frozenset({"le", "quantile", "job", "instance", "request_id"})
"""Names that Prometheus, or an exemplar of ours, gives a meaning to."""

RESERVED_LABELS = frozenset(map(str, Label)) | _OF_PROMETHEUS
"""What no label of a target may be called."""
