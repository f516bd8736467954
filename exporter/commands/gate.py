"""The results of ``probe --fail-on``: a verdict for each objective, as text, JSON, and JUnit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from xml.etree import ElementTree

from pydantic import JsonValue

from exporter.commands.terminal import Summary
from exporter.config.plan import Plan
from exporter.config.slo import Objective, SloVerdict, Tally
from exporter.observation import Observation
from exporter.settings.presentable import printable
from exporter.site.words import percent, seconds


@dataclass(frozen=True, slots=True)
class Judged:
    """One plan, its observations, and how far it meets each objective."""

    plan: Plan
    observations: Sequence[Observation]
    tallies: Sequence[Tally]

    @classmethod
    def of(
        cls, plan: Plan, objectives: Iterable[Objective], observations: Sequence[Observation]
    ) -> Judged:
        counting = [each for each in observations if each.counts]
        return cls(plan, observations, [_tally(each, counting) for each in objectives])

    def has(self, verdict: SloVerdict) -> bool:
        """Whether any objective has this verdict."""
        return any(tally.verdict is verdict for tally in self.tallies)

    @property
    def name(self) -> str:
        return "/".join(self.plan.key)

    @property
    def reasons(self) -> Counter[str]:
        """The number of failures by reason."""
        failures = (each.result.failure for each in self.observations)
        return Counter(str(failure.reason) for failure in failures if failure)

    @property
    def failures(self) -> Iterator[str]:
        """How often the probes failed for each reason, and what most of those failures say."""
        failures = [each.result.failure for each in self.observations if each.result.failure]
        for reason, times in self.reasons.items():
            said = Counter(each.message for each in failures if each.reason == reason)
            ((most, _),) = said.most_common(1)
            yield f"{times} {reason}" + (f", most often: {most}" if most else "")


def _tally(objective: Objective, observations: Sequence[Observation]) -> Tally:
    """Count the good probes. If all probes failed, latency objectives count them too: otherwise a
    target that is down would have no latency, and would pass."""
    if not any(each.result.success for each in observations):
        return Tally.of(objective, [False for _ in observations])
    return Tally.of(
        objective,
        (
            objective.met_by(each.result, usable=each.certain and each.cold is None)
            for each in observations
        ),
    )


def verdict_lines(judged: Judged) -> Iterator[tuple[SloVerdict, str]]:
    """The verdict and a line of text for each objective."""
    width = max(map(len, SloVerdict))
    for tally in judged.tallies:
        name = printable(judged.name)
        yield tally.verdict, f"{tally.verdict:<{width}}  {name}  {explained(tally)}"


def explained(tally: Tally) -> str:
    """The result, the objective, and how many good probes would be enough for a verdict."""
    name, objective = _named(tally.objective), f"objective {percent(tally.objective.ratio)}"
    if not tally.judged:
        return f"{name}: no usable probes, {objective}"
    interval = " to ".join(map(percent, tally.bounds))
    found = f"{percent(tally.ratio)} of {tally.judged} (90 % interval: {interval})"
    more = ""
    if tally.verdict is SloVerdict.UNKNOWN:
        more = f"; {tally.enough} good probes in a row would be enough"
    return f"{name}: {found}, {objective}{more}"


def _named(objective: Objective) -> str:
    name = objective.name.replace("_", " ")
    limit = objective.threshold_seconds
    return name if limit is None else f"{name} within {seconds(limit)}"


def to_json(judged: Judged) -> dict[str, JsonValue]:
    """The results for scripts. Shares are between 0 and 1."""
    return {
        "target": judged.plan.target.name,
        "probe": judged.plan.probe_name,
        "summary": asdict(Summary.of(judged.observations)),
        "failures": dict(judged.reasons),
        "objectives": [
            {
                "name": tally.objective.name,
                "wanted": tally.objective.ratio,
                "threshold_seconds": tally.objective.threshold_seconds,
                "good": tally.good,
                "judged": tally.judged,
                "bounds": [*tally.bounds] if tally.judged else None,
                "verdict": tally.verdict,
            }
            for tally in judged.tallies
        ],
    }


def to_junit(all_judged: Iterable[Judged]) -> bytes:
    """The results for CI servers: a suite for each target and probe, and a case for each
    objective. Objectives without a verdict are skipped cases."""
    suites = ElementTree.Element("testsuites", name="inference-exporter")
    for judged in all_judged:
        broken = sum(tally.verdict is SloVerdict.BROKEN for tally in judged.tallies)
        unknown = sum(tally.verdict is SloVerdict.UNKNOWN for tally in judged.tallies)
        counts = {"tests": len(judged.tallies), "failures": broken, "skipped": unknown, "errors": 0}
        about = {"name": judged.name, **{name: str(number) for name, number in counts.items()}}
        suite = ElementTree.SubElement(suites, "testsuite", about)
        for tally in judged.tallies:
            name = _named(tally.objective)
            case = ElementTree.SubElement(suite, "testcase", classname=judged.name, name=name)
            if tally.verdict is not SloVerdict.KEPT:
                kind = "failure" if tally.verdict is SloVerdict.BROKEN else "skipped"
                said = ElementTree.SubElement(case, kind, message=explained(tally))
                said.text = ", ".join(f"{times} {why}" for why, times in judged.reasons.items())
    ElementTree.indent(suites)
    written: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return written
