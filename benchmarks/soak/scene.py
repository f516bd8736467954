"""The targets of the soak test: good ones, failing ones, and transient ones that come and go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.soak.server import ANSWERS

FAULTS = [name for name in ANSWERS if name != "good"]
TRANSIENT = "good-transient"
_REFUSES = "http://127.0.0.1:1"
_SILENT = "timeouts: {first_token: 1s, stall: 1s}, "
_NEVER = "11h"


@dataclass(frozen=True, slots=True)
class Scene:
    """The number of targets and their total request rate."""

    file: Path
    listen: str
    """The address that the exporter listens on."""
    url: str
    """The URL of the provider."""
    probes_per_second: float
    good: int = 92
    fresh: int = 8
    transient: int = 8
    """The number of targets that come and go. Each fault has one more target."""

    def write(self, generation: int, *, asked: bool = True) -> None:
        """Write a configuration with the transient targets of a generation.

        :param asked: whether to probe the targets.
        """
        count = self.good + self.fresh + self.transient + len(FAULTS) + 1
        interval = f"{max(1, round(1000 * count / self.probes_per_second))}ms"
        lines = [
            f"web: {{listen: '{self.listen}', enable_lifecycle: true}}",
            f"defaults: {{interval: {interval if asked else _NEVER}}}",
            "probes: {count: {prompt: Count., max_output_tokens: 4}}",
            "targets:",
            *self._targets(generation),
        ]
        beside = self.file.with_suffix(".new")
        beside.write_text("\n".join(lines))
        beside.replace(self.file)

    def _targets(self, generation: int) -> Iterator[str]:
        for number in range(self.good):
            yield _target(f"good-{number}", "good", self.url)
        for number in range(self.fresh):
            yield _target(f"fresh-{number}", "good-fresh", self.url, "connection: fresh, ")
        for fault in FAULTS:
            silent = fault.startswith("timeout")
            yield _target(f"fault-{fault}", fault, self.url, _SILENT if silent else "")
        yield _target("fault-connect", "connect", _REFUSES)
        for number in range(self.transient):
            yield _target(f"transient-{generation}-{number}", TRANSIENT, self.url)


def _target(name: str, model: str, url: str, more: str = "") -> str:
    return (
        f"  - {{name: {name}, provider: openai, model: {model}, {more}"
        f"api_key: {{env: SOAK_KEY}}, base_url: '{url}/v1'}}"
    )
