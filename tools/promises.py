"""Lists the names that stay stable across versions, because dashboards, configurations, and scripts
use them.

``python -m tools.promises`` prints all current names, one per line. At a release, its output
becomes ``tests/house/promises.txt``. ``tests/house/test_promises.py`` checks that no line is lost.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from exporter.cli import main as program
from exporter.config.labels import COMMON_LABELS
from exporter.metrics.exporter_families import EXPORTER_FAMILIES
from exporter.metrics.target_families import TARGET_FAMILIES
from exporter.result import FailureReason, SkipReason


def promises(keys: Iterator[str]) -> set[str]:
    """Return all stable names.

    :param keys: the keys of the configuration.
    """
    return {*_metrics(), *_options(), *(f"key {key}" for key in keys), *_reasons()}


def _metrics() -> Iterator[str]:
    for families, common in ((TARGET_FAMILIES, COMMON_LABELS), (EXPORTER_FAMILIES, ())):
        for family in families:
            labels = ",".join((*common, *family.labels))
            yield f"metric {family.name} {family.kind} {{{labels}}}"


def _reasons() -> Iterator[str]:
    yield from (f"failure reason {reason}" for reason in FailureReason)
    yield from (f"skip reason {reason}" for reason in SkipReason)


def _options() -> Iterator[str]:
    for name in program.commands:
        command = program.commands[name]
        yield f"command {name}"
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield from (f"option {name} {option}" for option in parameter.opts)


def main() -> None:
    from tests.house.test_docs import KEYS  # noqa: PLC0415 - what reads the schema is there

    print("\n".join(sorted(promises(iter(KEYS)))))


if __name__ == "__main__":
    main()
