"""Panels about the exporter's cluster and process."""

from __future__ import annotations

from dashboards.expressions import WINDOW
from dashboards.frame import SELF, Section
from dashboards.panels import (
    COUNT,
    RATIO,
    SECONDS,
    Query,
    Text,
    label,
    number,
    over_time,
)

BYTES = "bytes"


def cluster() -> Section:
    leader = f"inference_exporter_leader{{{SELF}}}"
    since = f"inference_exporter_kubernetes_last_success_timestamp_seconds{{{SELF}}}"
    alone = "not in a cluster"
    return Section(
        "In Kubernetes",
        [
            label(
                Text("Leader", "The exporter that probes, as each exporter sees it."),
                Query(f"inference_exporter_leader_info{{{SELF}}}", "{{leader}}"),
            ),
            number(
                Text("Leaders", "Exporters that probe. With leader election, one for each Lease."),
                COUNT,
                Query(f"sum({leader})"),
                empty="no election",
            ),
            over_time(
                Text(
                    "Discovered targets",
                    "Objects that discovery found in the cluster. Refused ones aren't valid"
                    " targets.",
                ),
                COUNT,
                Query(f"inference_exporter_discovered_targets{{{SELF}}}", "{{state}} {{instance}}"),
                width=8,
                empty=alone,
            ),
            over_time(
                Text("API server", "Time since the Kubernetes API server last answered."),
                SECONDS,
                Query(f"time() - {since}", "{{purpose}} {{instance}}"),
                width=8,
                empty=alone,
            ),
        ],
    )


def process() -> Section:
    cpu = f"rate(process_cpu_seconds_total{{{SELF}}}[{WINDOW}])"
    return Section(
        "Process",
        [
            over_time(
                Text("CPU", "Share of one core."),
                RATIO,
                Query(
                    f"{cpu} and on (instance) inference_exporter_build_info{{{SELF}}}",
                    "{{instance}}",
                ),
                width=6,
            ),
            over_time(
                Text("Memory", "Resident memory."),
                BYTES,
                Query(
                    f"process_resident_memory_bytes{{{SELF}}}"
                    f" and on (instance) inference_exporter_build_info{{{SELF}}}",
                    "{{instance}}",
                ),
                width=6,
            ),
            over_time(
                Text("Scrape", "Duration of a scrape."),
                SECONDS,
                Query(
                    f"scrape_duration_seconds{{{SELF}}}"
                    f" and on (instance) inference_exporter_build_info{{{SELF}}}",
                    "{{instance}}",
                ),
                width=6,
            ),
            over_time(
                Text("Series", "Series in a scrape, including each bucket of a histogram."),
                COUNT,
                Query(f"inference_exporter_series{{{SELF}}}", "{{instance}}"),
                width=6,
            ),
        ],
    )
