"""Converts series between numpy and Prometheus: those of the exporter and those of rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.alert_quality.fleet import Fleet
from benchmarks.alert_quality.noise import Array
from exporter.probing.evidence import LIMIT

START = 1_767_571_200
"""The start of the simulation: Monday, January 5, 2026, 00:00 UTC."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series. Times are Unix seconds."""

    name: str
    labels: Mapping[str, str]
    times: Sequence[float] | npt.NDArray[np.int64]
    values: Sequence[float] | npt.NDArray[np.floating] | Sequence[str]

    def lines(self) -> Iterator[str]:
        """Yield the series as lines of OpenMetrics."""
        labels = ",".join(f'{name}="{value}"' for name, value in self.labels.items())
        head = f"{self.name}{{{labels}}} "
        pairs = zip(self.times, self.values, strict=True)
        return (f"{head}{value} {time}\n" for time, value in pairs)


def write_openmetrics(path: Path, series: Iterable[Series]) -> None:
    """Write series, grouped by name."""
    by_name: dict[str, list[Series]] = {}
    for one in series:
        by_name.setdefault(one.name, []).append(one)
    with path.open("w") as file:
        for same in by_name.values():
            for one in same:
                file.writelines(one.lines())
        file.write("# EOF\n")


def target_name(target: int) -> str:
    return f"t{target:02}"


def exported(fleet: Fleet, evidence_of_slow: Array) -> Iterator[Series]:
    """Yield the exporter's series for a fleet, scraped once per minute.

    :param evidence_of_slow: the exporter's evidence that times to first token are longer.
    """
    times = START + 60 * np.arange(fleet.minutes)
    for name in ("up", "inference_exporter_build_info"):
        yield Series(name, {"job": "j", "instance": "exporter"}, times, np.ones(fleet.minutes))
    latest = np.maximum.accumulate(np.where(fleet.made, np.arange(fleet.minutes), 0), axis=1)
    for target in range(fleet.targets):
        labels = {
            "job": "j", "instance": "exporter", "target": target_name(target),
            "provider": f"p{target % 2}", "model": "m", "probe": "short",
        }  # fmt: skip
        made, failed = fleet.made[target], fleet.failed[target]
        gauges = {
            "success": np.where(failed, 0.0, 1.0),
            "timestamp_seconds": times[latest[target]].astype(float),
            "time_to_first_token_seconds": fleet.time_to_first_token[target],
            "time_per_output_token_seconds": fleet.time_per_output_token[target],
        }
        for name, values in gauges.items():
            yield Series(f"inference_last_probe_{name}", labels, times, _written(values))
        for outcome, of_it in (("success", ~failed), ("failure", failed)):
            counts = np.cumsum(of_it & made).astype(float)
            name = "inference_probes_total"
            yield Series(name, {**labels, "outcome": outcome}, times, counts)
        evidence = {
            "success": np.where(fleet.certain[target], LIMIT, 0.0),
            "time_to_first_token": evidence_of_slow[target].astype(float),
        }
        for measure, values in evidence.items():
            about = {**labels, "measure": measure}
            yield Series("inference_change_evidence", about, times, values)
        newly = fleet.certain[target] & ~np.pad(fleet.certain[target], (1, 0))[:-1]
        for outcome, of_it in (("success", fleet.refuted[target]), ("failure", newly)):
            counts = np.cumsum(of_it).astype(float)
            yield Series(
                "inference_confirmations_total", {**labels, "outcome": outcome}, times, counts
            )
        for reason, of_it in (
            ("server_error", ~fleet.network[target]),
            ("dns", fleet.network[target]),
        ):
            counts = np.cumsum(failed & made & of_it).astype(float)
            of_reason = {**labels, "reason": reason}
            yield Series("inference_probe_failures_total", of_reason, times, counts)


def _written(values: npt.NDArray[np.generic]) -> list[str]:
    return ["NaN" if value != value else f"{value:.10g}" for value in values.tolist()]
