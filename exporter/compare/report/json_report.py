"""The report as JSON, for scripts. Times are in seconds, costs in USD; unknown values are null."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import JsonValue

from exporter.compare.report.finding_json import finding_json
from exporter.compare.report.headline import story, whole_headline
from exporter.compare.report.load_json import load_json
from exporter.compare.statistics.break_even import MonthlyCost
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Tally, Versus
from exporter.compare.subject import Party


def to_json(report: Report) -> dict[str, JsonValue]:
    """Convert the report to JSON. Later versions may add members, but keep names and meanings."""
    return {
        "version": 1,
        "baseline": _party(report.subject.baseline),
        "asked": report.subject.asked,
        "source": report.subject.source,
        "started_at": report.started_at,
        "ended_at": report.ended_at,
        "confidence": report.confidence,
        "run_length": report.run_length,
        "planned_probes": report.subject.planned_probes,
        "notes": list(report.subject.notes),
        "targets": [_tally(tally) for tally in report.tallies],
        "candidates": [_versus(report, versus) for versus in report.versus],
        "load": load_json(report.load) if report.load else None,
        "worth": [_worth(worth) for worth in report.worth],
        "changes": [
            {"target": target, "measure": "ttft", **asdict(change)}
            for target, changes in report.changes.items()
            for change in changes
        ],
    }


def _party(party: Party) -> JsonValue:
    return {**asdict(party)}


def _tally(tally: Tally) -> JsonValue:
    return {
        "name": tally.party.name,
        "probes": tally.probes,
        "failures": dict(tally.failures),
        "uncertain": tally.uncertain,
        "interrupted": tally.interrupted,
        "cold_probes": tally.cold_probes,
        "cost_usd": tally.cost_usd,
    }


def _versus(report: Report, versus: Versus) -> JsonValue:
    return {
        "candidate": _party(versus.candidate),
        "headline": whole_headline(report, versus),
        "story": story(versus),
        "blocks": asdict(report.blocks[versus.candidate.name]),
        "findings": [finding_json(finding) for finding in versus.findings],
    }


def _worth(worth: MonthlyCost) -> JsonValue:
    return {
        "target": worth.party.name,
        "usd_per_month": worth.usd_per_month,
        "unknown_because": worth.unknown_because or None,
        "input_tokens": worth.input_tokens,
        "output_tokens": worth.output_tokens,
        "servers": worth.servers,
        "tokens_per_second_of_a_server": worth.served_by_each,
        "equal_price_factor": worth.equal_factor,
    }
