"""Caveats about samples from the past, for the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median

from exporter.compare.past.target_history import PROBED_AT, TargetHistory
from exporter.compare.past.window import Window, rhythm_between
from exporter.compare.sample import Sample
from exporter.prometheus.client import Prometheus, quoted

_UNLIKE = 1.2
"""The report mentions a larger ratio between the input tokens of the sides."""


def notes(
    prometheus: Prometheus,
    sides: Sequence[Window],
    asked: Mapping[str, Sequence[TargetHistory]],
    samples: Mapping[str, Sequence[Sample]],
    histories: Mapping[str, Sequence[TargetHistory]],
) -> Iterator[str]:
    """Yield the caveats of a comparison of past probes, one or more sentences each.

    :param asked: the histories that are compared.
    :param histories: all known histories of the targets.
    """
    if rhythm := rhythm_between(sides):
        yield (
            "The sides were not probed at the same time: anything else that changed, such as"
            f" traffic or the network, is part of the difference. {rhythm}"
        )
    for side in sides:
        name, all_ = side.name, histories[side.name]
        left_out = {one.probe for one in all_} - {one.probe for one in asked[name]}
        if left_out:
            yield f"Left out of {name}, because not all sides have them: {', '.join(left_out)}."
        yield from _missed(name, asked[name], samples[name])
        yield from _reasons(prometheus, side)
    instances = {name: {one.instance for one in all_} for name, all_ in asked.items()}
    if len({frozenset(own) for own in instances.values()}) > 1:
        yield (
            "Different exporters probed the sides. They run in different locations, and a probe of"
            " the same name can send something else there."
        )
    yield from _unlike_tokens(samples)


def _missed(name: str, asked: Sequence[TargetHistory], samples: Sequence[Sample]) -> Iterator[str]:
    seen = sum(not sample.cold for sample in samples)
    sent = len(asked)
    for one in asked:
        times = sorted(one.series[PROBED_AT, ""])
        sent += round(sum(one.probes_between(before, now) for before, now in pairwise(times)))
    if seen < sent:
        yield (
            f"Prometheus saw {seen} of {sent} probes of {name}. The others fell between two"
            " scrapes. Scrape at least as often as you probe."
        )


def _reasons(prometheus: Prometheus, side: Window) -> Iterator[str]:
    window = f"{round(side.end - side.begin)}s"
    found = prometheus.instant(
        f"sum by (reason) (increase(inference_probe_failures_total"
        f"{{target={quoted(side.target)}}}[{window}])) > 0.5",
        side.end,
    )
    if found:
        listed = ", ".join(f"{labels['reason']} {count:.0f}" for labels, count in found)
        yield f"Failures of {side.name} by reason: {listed}."


def _unlike_tokens(samples: Mapping[str, Sequence[Sample]]) -> Iterator[str]:
    """Yield a caveat if input tokens differ by more than the tokenizers explain."""
    medians = {
        name: median(known)
        for name, own in samples.items()
        if (known := [s.input_tokens for s in own if s.input_tokens])
    }
    if medians and max(medians.values()) > _UNLIKE * min(medians.values()):
        listed = ", ".join(f"{name} {tokens:.0f}" for name, tokens in medians.items())
        yield (
            f"The sides got prompts of different length, in tokens: {listed}. Either their"
            " tokenizers differ a lot, or they got different prompts."
        )
