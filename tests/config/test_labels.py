"""A target's labels never conflict with a metric's own labels."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text
from pydantic import ValidationError

from exporter.config.labels import RESERVED_LABELS, Label
from exporter.config.plan import Plan
from exporter.config.root import Config
from exporter.metrics.exporter_families import EXPORTER_FAMILIES
from exporter.metrics.exposition import OPENMETRICS, PROTOBUF, TEXT
from exporter.metrics.family import Families
from exporter.metrics.registry import Metrics
from exporter.metrics.target_families import TARGET_FAMILIES
from tests.metrics.protobuf_reader import read_families
from tests.observing import newly

DECLARED = sorted(
    {label for family in (*TARGET_FAMILIES, *EXPORTER_FAMILIES) for label in family.labels}
)


def plan(labels: dict[str, str]) -> Plan:
    target = {"name": "t", "provider": "vllm", "model": "m", "base_url": "http://127.0.0.1:1"}
    config = {
        "probes": {"p": {"prompt": "x"}},
        "targets": [{**target, "labels": labels, "slo": {"success_ratio": 0.9}}],
    }
    return Config.model_validate(config).plans()[0]


@pytest.mark.parametrize("label", DECLARED)
def test_a_label_that_a_metric_declares_is_refused_by_name(label: str) -> None:
    with pytest.raises(ValidationError, match=f"label '{label}' is reserved"):
        plan({label: "x"})


@pytest.mark.parametrize("label", ["job", "instance", "le", "quantile"])
def test_what_prometheus_gives_a_meaning_to_is_refused(label: str) -> None:
    with pytest.raises(ValidationError, match="reserved"):
        plan({label: "x"})


def test_a_metric_cannot_be_declared_with_a_label_that_targets_may_use() -> None:
    with pytest.raises(ValueError, match="colour"):
        Families().counter("inference_colours_total", "Colours.", colour=())


def test_only_declared_labels_are_in_use() -> None:
    common = {Label.TARGET, Label.PROVIDER, Label.MODEL, Label.PROBE, Label.LOCATION}
    assert set(DECLARED) | common == set(Label)


NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,12}", fullmatch=True) | st.sampled_from(
    [*DECLARED, "signal_", "le_", "team", "exported_job", "Le", "__name__", "_"]
)
LABELS = st.dictionaries(NAMES, st.text(max_size=20), max_size=4)


def accepted(labels: dict[str, str]) -> Metrics | None:
    try:
        metrics = Metrics()
        metrics.apply(newly([plan(labels)]))
    except ValidationError:
        return None
    return metrics


@settings(max_examples=60, deadline=None)
@given(labels=LABELS)
def test_whatever_is_accepted_every_format_can_be_read(labels: dict[str, str]) -> None:
    metrics = accepted(labels)
    if metrics is None:
        return
    assert list(parse_text(TEXT.body(metrics.everything()).decode()))
    openmetrics = OPENMETRICS.body(metrics.everything()).decode()
    assert list(parse_openmetrics(openmetrics))  # type: ignore[no-untyped-call]
    assert read_families(PROTOBUF.body(metrics.everything()))


def test_promtool_reads_a_scrape_with_labels_of_every_sort(
    tool: Callable[[str], Path],
) -> None:
    metrics = accepted({"team": 'a "quoted" \\ line\nand é', "Le": "x", "_": ""})
    assert metrics
    read = subprocess.run(
        [tool("promtool"), "check", "metrics", "--lint=none", "--extended"],
        input=TEXT.body(metrics.everything()),
        capture_output=True,
        check=False,
        timeout=150,
    )
    assert read.returncode == 0, read.stderr.decode()


def test_names_are_reserved_whatever_declares_them() -> None:
    assert set(DECLARED) < RESERVED_LABELS
