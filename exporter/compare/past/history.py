"""Samples from past probes: the exact values of each probe that Prometheus scraped.

The gauges of the latest probe change together, in one scrape, with its timestamp. Tokens, cost, and
cold starts are the increases of counters from one probe to the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from exporter.compare.errors import PartiesError
from exporter.compare.past.caveats import notes
from exporter.compare.past.target_history import LAST, PROBED_AT, TargetHistory
from exporter.compare.past.window import DAY_SECONDS, Window
from exporter.compare.sample import Sample
from exporter.compare.subject import Evidence, Party, Subject
from exporter.prometheus.client import HistoryError, Prometheus, quoted

_NAMES = (
    f"{LAST}(timestamp_seconds|success|time_to_first_token_seconds"
    "|time_per_output_token_seconds|request_duration_seconds)"
    "|inference_tokens_total|inference_cost_usd_total|inference_probes_total"
    "|inference_cold_starts_total|inference_cold_start_duration_seconds(_(sum|count))?"
)
_PARTS = ("type", "outcome", "signal")
_MOST_BLOCKS = 2_000


def read(
    prometheus: Prometheus,
    sides: Sequence[Window],
    probe: str | None,
) -> Evidence:
    """Read the samples of these sides, the baseline first.

    :raises PartiesError: the sides have no probe in common.
    :raises HistoryError: Prometheus doesn't respond or has no data for a target.
    """
    histories = {side.name: _histories(prometheus, side) for side in sides}
    probes = _common_probes(histories, probe)
    asked = {name: [s for s in all_ if s.probe in probes] for name, all_ in histories.items()}
    samples = {
        side.name: [
            replace(sample, target=side.name)
            for one in asked[side.name]
            for sample in samples_of(one)
        ]
        for side in sides
    }
    parties = [_party(side, asked[side.name]) for side in sides]
    subject = Subject(
        baseline=parties[0],
        candidates=tuple(parties[1:]),
        source=(
            f"The report uses every probe {_when(sides)} that Prometheus at {prometheus.name} saw."
            " Blocks are time spans."
        ),
        asked=f"The comparison used the probe {' and '.join(map(repr, probes))}.",
        notes=tuple(notes(prometheus, sides, asked, samples, histories)),
    )
    return Evidence(subject, tuple(in_blocks(samples, probes, _origins(sides))))


def _when(sides: Sequence[Window]) -> str:
    spans = list(dict.fromkeys(side.text for side in sides))
    return " and ".join(spans)


def _origins(sides: Sequence[Window]) -> Mapping[str, float] | None:
    """Return the start of the first block on each side; ``None`` if all sides have one time range.

    The start is a midnight, so that blocks with the same number cover the same hours of the day.
    """
    if len({(side.begin, side.end) for side in sides}) == 1:
        return None
    return {side.name: side.begin // DAY_SECONDS * DAY_SECONDS for side in sides}


def _histories(prometheus: Prometheus, side: Window) -> list[TargetHistory]:
    found: dict[tuple[str, str], TargetHistory] = {}
    target = side.target
    selector = f"{{__name__=~{quoted(_NAMES)},target={quoted(target)}}}"
    for series in prometheus.scraped(selector, side.begin, side.end):
        labels = series.labels
        key = labels.get("probe", ""), f"{labels.get('job', '')}/{labels.get('instance', '')}"
        one = found.setdefault(key, TargetHistory(target, *key, labels))
        part = next((labels[name] for name in _PARTS if name in labels), "")
        one.series[labels["__name__"], part].update(series.samples)
    known = [one for one in found.values() if one.was_probed]
    if not known:
        there = prometheus.label_values("target", f"{LAST}success")
        raise HistoryError(
            f"Prometheus has no probes of target {target!r} {side.text};"
            f" its targets are: {', '.join(there) or 'none'}"
        )
    return known


def _common_probes(
    histories: Mapping[str, Sequence[TargetHistory]], wanted: str | None
) -> tuple[str, ...]:
    by_target = {name: {one.probe for one in all_} for name, all_ in histories.items()}
    common = set.intersection(*by_target.values())
    if wanted is not None:
        common &= {wanted}
    if not common:
        asked = "; ".join(f"{n}: {', '.join(sorted(own))}" for n, own in by_target.items())
        raise PartiesError(
            "the sides have no probe in common, so their times can't be compared; their probes"
            f" are: {asked}"
        )
    return tuple(sorted(common))


def samples_of(one: TargetHistory) -> Iterator[Sample]:
    """Yield one sample for each probe in the history, without block numbers."""
    before: float | None = None
    latest = -math.inf
    for when, probed_at in sorted(one.series[PROBED_AT, ""].items()):
        if not probed_at > max(latest, 0):  # 0 before the first probe
            continue
        if before is None or not one.is_cold(before, when):
            yield _sample(one, when, probed_at, before)
        if before is not None:
            yield from _cold_start(one, when, before)
        before, latest = when, probed_at


def _sample(one: TargetHistory, when: float, probed_at: float, before: float | None) -> Sample:
    success = one.at(when, f"{LAST}success") == 1
    sample = Sample(
        target=one.target,
        block=0,
        stratum=one.probe,
        finished_at=probed_at,
        failure=None if success else "failed",
        time_to_first_token_seconds=one.at(when, f"{LAST}time_to_first_token_seconds"),
        time_per_output_token_seconds=one.at(when, f"{LAST}time_per_output_token_seconds"),
        request_duration_seconds=one.at(when, f"{LAST}request_duration_seconds"),
    )
    if before is None or one.probes_between(before, when) != 1:
        return sample  # the counters grew by more than this probe
    tokens = [one.growth("inference_tokens_total", before, when, t) for t in ("input", "output")]
    if None in tokens or not any(tokens):
        return sample
    return replace(
        sample,
        input_tokens=round(tokens[0] or 0),
        output_tokens=round(tokens[1] or 0),
        cost_usd=one.growth("inference_cost_usd_total", before, when),
    )


def _cold_start(one: TargetHistory, when: float, before: float) -> Iterator[Sample]:
    name = "inference_cold_start_duration_seconds"
    seconds = one.growth(f"{name}_sum", before, when)
    if one.growth(f"{name}_count", before, when) == 1 and seconds:
        yield Sample(
            target=one.target,
            block=0,
            finished_at=when,
            cold=True,
            cold_start_seconds=seconds,
        )


def in_blocks(
    samples: Mapping[str, Sequence[Sample]],
    probes: Sequence[str],
    origins: Mapping[str, float] | None = None,
) -> Iterator[Sample]:
    """Yield the samples with block numbers. A block contains the samples of one time span.

    As in a live comparison, a span has room for two probes of the side that is probed least often.

    :param origins: the start of the first span on each side, in Unix seconds; the default is the
        first probe.
    """
    warm = [sample for own in samples.values() for sample in own if not sample.cold]
    begin = min(sample.finished_at for sample in warm)
    length = max(sample.finished_at for sample in warm) - begin
    gaps = [_usual_gap([s.finished_at for s in own if not s.cold]) for own in samples.values()]
    span = max(2 * max(gaps) * len(probes), length / _MOST_BLOCKS, 1.0)
    for name, own in samples.items():
        first = origins[name] if origins else begin
        for sample in own:
            if sample.cold:
                yield sample
                continue
            turn = int((sample.finished_at - first) / span)
            yield replace(sample, block=turn * len(probes) + probes.index(sample.stratum))


def _usual_gap(times: Iterable[float]) -> float:
    ordered = sorted(times)
    gaps = [after - before for before, after in pairwise(ordered)]
    return median(gaps) if gaps else 0.0


def _party(side: Window, asked: Sequence[TargetHistory]) -> Party:
    labels = asked[0].labels
    return Party(name=side.name, provider=labels.get("provider", ""), model=labels.get("model", ""))
