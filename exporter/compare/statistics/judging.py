"""Turns the results of single measures into verdicts with a joint error level.

The most important measure starts with nearly all of the permitted error, and the others share the
rest. The comparison therefore finds a small difference in the most important measure, and a large
one in any measure. When a measure is decided, its error level passes on to the others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from exporter.compare.statistics.findings import Finding, Rules, Versus
from exporter.compare.statistics.measures import DEFINITIONS, Measure, SuccessRatio
from exporter.compare.statistics.outcomes import Outcome
from exporter.compare.statistics.sequential import Look
from exporter.compare.statistics.verdict import Band, Effect, Verdict, corrected, decide
from exporter.compare.subject import Subject

OTHERS_SHARE = 0.05
"""The share of the permitted error that all less important measures get together."""
OWN_SHARES = {Measure.SUCCESS: 0.05, Measure.COLD_START: 0.05}
"""The shares of measures that don't compete with the others: failures matter more than times, and
there are too few cold starts for a smaller share. Only a measure with data gets a share."""

Key = tuple[str, Measure]
"""A candidate and a measure of it."""


def judged(
    subject: Subject, outcomes: Mapping[Key, Outcome], rules: Rules, look: Look | None
) -> tuple[Versus, ...]:
    """Judge each candidate, with findings in the order of the measures."""
    p_values = {
        key: look.overall(one.effect.p_value) if look else one.effect.p_value
        for key, one in outcomes.items()
        if one.effect
    }
    gates = _gates(p_values, rules)
    by_key = corrected(p_values, _weights(p_values, gates, rules), gates)
    return tuple(
        Versus(
            candidate=party,
            findings=tuple(
                _finding(
                    measure,
                    outcomes[party.name, measure],
                    by_key.get((party.name, measure)),
                    rules,
                )
                for measure in rules.measures
            ),
        )
        for party in subject.candidates
    )


def _gates(keys: Collection[Key], rules: Rules) -> dict[Key, Key]:
    """Map each measure to the one that it waits for, if both have data.

    The most important measures don't wait.
    """
    gates = {}
    for name, measure in keys:
        before = DEFINITIONS[measure].waits_for
        if before and (name, before) in keys and measure not in rules.leading:
            gates[name, measure] = (name, before)
    return gates


def _weights(keys: Collection[Key], gates: Mapping[Key, Key], rules: Rules) -> dict[Key, float]:
    first = {key for key in keys if key[1] in rules.leading}
    if not first:
        return dict.fromkeys(keys, 1.0)
    own = {measure: {key for key in keys if key[1] is measure} - first for measure in OWN_SHARES}
    others = set(keys) - first - set(gates) - set[Key]().union(*own.values())
    weights = dict.fromkeys(keys, OTHERS_SHARE / max(1, len(others)))
    left = 1 - OTHERS_SHARE * bool(others)
    for measure, of_measure in own.items():
        weights |= dict.fromkeys(of_measure, OWN_SHARES[measure] / max(1, len(of_measure)))
        left -= OWN_SHARES[measure] * bool(of_measure)
    return weights | dict.fromkeys(first, left / len(first))


def _finding(
    measure: Measure, outcome: Outcome, corrected_p: float | None, rules: Rules
) -> Finding:
    definition, margin = DEFINITIONS[measure], rules.margin(measure)
    verdict = Verdict.UNDECIDED if outcome.measured else Verdict.NOT_MEASURED
    note = outcome.note
    if outcome.effect and corrected_p is not None:
        is_share = isinstance(definition.statistic, SuccessRatio)
        band = Band.of_difference(margin) if is_share else Band.of_ratio(margin)
        verdict = decide(
            outcome.effect,
            band,
            corrected_p,
            rules.alpha,
            higher_is_better=definition.higher_is_better,
        )
        if verdict is Verdict.UNDECIDED:
            note = _why_undecided(outcome.effect, band)
    return Finding(
        measure=measure,
        baseline=outcome.baseline,
        candidate=outcome.candidate,
        effect=outcome.effect,
        corrected_p=corrected_p,
        margin=margin,
        verdict=verdict,
        note=note,
    )


def _why_undecided(effect: Effect, band: Band) -> str:
    if effect.low <= band.neutral <= effect.high:
        return "may be the same or different"
    return "not certain enough among this many measures"
