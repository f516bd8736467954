"""The judge's numpy code computes the same as the rules in a real Prometheus.

Backfilled series have no staleness markers, so Prometheus sees an ended series for five more
minutes. Rules that Prometheus evaluates itself write the markers. The tests leave out those
minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.alert_quality import failures
from benchmarks.alert_quality.confirming import certainty
from benchmarks.alert_quality.fleet import LEARNING_DAYS, MINUTES_PER_DAY, Fleet, World, simulate
from benchmarks.alert_quality.noise import SPIKY
from benchmarks.alert_quality.regressions import (
    HOUR_TIMES_USUAL,
    RISES,
    deviation,
    evidence,
    slower_hour,
    usual,
)
from benchmarks.alert_quality.replay import Replay, Rule, Tools, load_rules
from benchmarks.alert_quality.series import START, Series, exported, target_name
from benchmarks.alert_quality.windows import lately
from exporter.probing.evidence import DOUBT, LIMIT, SlownessEvidence
from tests.queries import RULES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TARGETS, DAYS = 3, 2
STALE_MINUTES = 5
SEED = 9
PROBED = (
    "time_to_first_token", "time_per_output_token", "failed", "network", "made", "certain",
    "refuted", "level", "spiking",
)  # fmt: skip


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """Spikes in runs, but alone in the second target; then +50 %, +50 % and +100 % for two hours; a
    tenth of errors for an hour; an outage, after which a third of the probes fail for an hour."""
    made = simulate(World(SPIKY.in_runs()), TARGETS, DAYS, seed=SEED)
    alone = simulate(World(SPIKY), TARGETS, DAYS, seed=SEED)
    for name in PROBED:
        getattr(made, name)[1] = getattr(alone, name)[1]
    at = LEARNING_DAYS * MINUTES_PER_DAY + 600
    for target, factor in enumerate((1.5, 1.5, 2)):
        made.time_to_first_token[target, at : at + 120] *= factor
        made.level[target, at : at + 120] += np.log(factor)
    made.time_per_output_token[2, at : at + 120] *= 1.5
    made.failed[2, at : at + 60 : 10] = True
    made.failed[1, at + 600 : at + 620] = True
    made.failed[1, at + 622 : at + 682 : 3] = True
    made.time_to_first_token[made.failed] = np.nan
    made.time_per_output_token[made.failed] = np.nan
    return made


@pytest.fixture(scope="module")
def replayed(
    fleet: Fleet, tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Replay:
    folder = tmp_path_factory.mktemp("replay")
    (folder / "data").mkdir()
    last = START + 60 * (fleet.minutes - 1)
    replay = Replay(Tools(tool("prometheus"), tool("promtool")), folder, START, last)
    series = exported(fleet, certainty(fleet, SEED))
    replay.add([*series, *fired("InferenceTargetDown", failures.target_down(fleet))])
    rules = load_rules(RULES / "regression-rules.yml")
    # Nothing changes within a minute that the rules could evaluate.
    replay.record(
        [replace(rule, interval_seconds=max(60, rule.interval_seconds)) for rule in rules]
    )
    return replay


def fired(alert: str, flags: npt.NDArray[np.bool_]) -> Iterator[Series]:
    """What Prometheus would have written of an alert, for the alerts that it silences."""
    for target, minutes in enumerate(flags):
        labels = {
            "alertname": alert, "alertstate": "firing", "job": "j", "instance": "exporter",
            "target": target_name(target), "probe": "short",
        }  # fmt: skip
        times = START + 60 * np.flatnonzero(minutes)
        yield Series("ALERTS", labels, times, np.ones(len(times)))


def by_minute(fleet: Fleet, found: Sequence[Series], **labels: str) -> npt.NDArray[np.float64]:
    """Return series of targets in the judge's format."""
    values = np.full((fleet.targets, fleet.minutes), np.nan)
    for series in found:
        if labels.items() <= series.labels.items():
            minutes = (np.array(series.times, float) - START).astype(int) // 60
            values[int(series.labels["target"][1:]), minutes] = np.array(series.values, float)
    return values


def asked(replay: Replay, expression: str) -> list[Series]:
    return replay.firing(Rule("asked", expression, {}, 60))


def agree(
    ours: npt.NDArray[np.generic],
    theirs: npt.NDArray[np.float64],
    within: float,
    share: float = 0.999,
) -> None:
    known = ~np.isnan(theirs)
    assert known.mean() > 0.1
    difference = np.abs(ours[known].astype(float) - theirs[known])
    assert np.nanquantile(difference, share) < within
    assert np.isnan(difference).mean() < 0.2


@pytest.mark.parametrize("rise", RISES, ids=lambda rise: rise.name)
def test_the_evidence_and_its_limit_are_those_of_prometheus(
    fleet: Fleet, replayed: Replay, rise: object
) -> None:
    (named,) = [one for one in RISES if one is rise]
    away = deviation(np.log(fleet.time_to_first_token))
    ours = evidence(away, fleet.made & ~fleet.failed, usual(away), named)
    theirs = asked(replayed, "target:inference_latency:evidence")
    agree(ours.most, by_minute(fleet, theirs, rise=named.name), within=0.02)
    theirs = asked(replayed, "target:inference_latency:evidence_1h")
    agree(ours.last_hour, by_minute(fleet, theirs, rise=named.name), within=0.02)
    theirs = asked(replayed, "target:inference_latency:evidence_limit")
    agree(np.log(ours.limit), np.log(by_minute(fleet, theirs, rise=named.name)), within=0.02)


def test_the_evidence_of_the_exporter_is_its_own(fleet: Fleet) -> None:
    """Without confirming probes, which chance decides."""
    ours = certainty(fleet, SEED, confirm=False)
    for target in range(fleet.targets):
        evidence, theirs = SlownessEvidence(), np.zeros(fleet.minutes)
        for minute, seconds in enumerate(fleet.time_to_first_token[target].tolist()):
            if fleet.made[target, minute] and not fleet.failed[target, minute]:
                evidence.take(seconds, scheduled=True)
            theirs[minute] = evidence.value
        both = np.stack([ours[target], theirs])[:, MINUTES_PER_DAY:]
        doubt = both.max(axis=0) > DOUBT
        assert doubt.any()
        near = np.abs(both[0] - both[1]) < 1.5
        assert near.mean() > 0.98
        assert near[doubt].mean() > 0.8


def test_the_hours_are_those_of_prometheus(fleet: Fleet, replayed: Replay) -> None:
    for measure, values in (
        ("time_to_first_token", fleet.time_to_first_token),
        ("time_per_output_token", fleet.time_per_output_token),
    ):
        level, limit = slower_hour(deviation(np.log(values)), fleet.made)
        level[lately(fleet.failed, 60 + STALE_MINUTES)] = np.nan
        theirs = asked(replayed, "target:inference_latency:deviation_1h")
        agree(level[:, ::4], by_minute(fleet, theirs, measure=measure)[:, ::4], within=0.001)
        theirs = asked(replayed, "target:inference_latency:deviation_1h_limit")
        usual_highest = by_minute(fleet, theirs, measure=measure) / HOUR_TIMES_USUAL
        agree(limit / HOUR_TIMES_USUAL, usual_highest, within=0.01, share=0.8)


def test_the_alerts_fire_when_those_of_prometheus_do(fleet: Fleet, replayed: Replay) -> None:
    away = deviation(np.log(fleet.time_to_first_token))
    never = np.zeros(away.shape, bool)
    answered = fleet.made & ~fleet.failed
    found = [evidence(away, answered, usual(away), rise) for rise in RISES]
    certain = certainty(fleet, SEED) >= LIMIT
    slow = np.logical_or.reduce([one.slow(never, certain) for one in found])
    alone = np.logical_or.reduce([one.slow(never, never) for one in found])
    assert (slow & ~alone)[1].any()  # the exporter's certainty counts there, and only there
    assert not (slow & ~alone)[[0, 2]].any()
    down = failures.target_down(fleet)
    ours = {
        "InferenceFirstTokenSlow": slow,
        "InferenceTargetDown": down,
        "InferenceErrorsHigh": failures.errors_high(failures.counters(fleet), down, never),
    }
    rules = {rule.name: rule for rule in load_rules(RULES / "alerts.yml")}
    for name, fires in ours.items():
        theirs = ~np.isnan(by_minute(fleet, replayed.firing(rules[name])))
        assert fires.any(), name
        assert not (fires & ~theirs).any(), name
        assert not (theirs & ~lately(fires, 1 + STALE_MINUTES)).any(), name
    began = LEARNING_DAYS * MINUTES_PER_DAY + 1220
    (told,) = np.flatnonzero(ours["InferenceErrorsHigh"][1, began : began + 62])[:1]
    assert told == pytest.approx(20, abs=3)  # not an hour after the outage
