"""Which targets support which kinds of probes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from exporter.config.target import Target
from exporter.config.trial import why_unsendable
from exporter.kinds import Kind, Probe
from exporter.settings.types import Located


def support_mistakes(target: Target, probes: Mapping[str, Probe]) -> Iterator[Located]:
    """Yield an error for each probe of a target that its provider doesn't support, or that can't
    be sent.

    :param probes: all probes, by name; another check reports unknown names.
    """
    supported: dict[tuple[Kind, frozenset[str]], Probe] = {}
    for name in probes if target.probes is None else target.probes:
        if name in probes and probes[name].kind in target.row.kinds:
            supported.setdefault((probes[name].kind, probes[name].demands), probes[name])
    for probe in supported.values():
        if why := why_unsendable(target, probe):
            yield (), ValueError(f"its requests cannot be built: {why}")
    yield from _kind_mistakes(target, probes)


def _kind_mistakes(target: Target, probes: Mapping[str, Probe]) -> Iterator[Located]:
    kinds = target.row.kinds
    for position, name in enumerate(probes if target.probes is None else target.probes):
        if name not in probes or (kind := probes[name].kind) in kinds:
            continue
        wrong = (
            f"probe {name!r} is of kind {kind.value!r}, which provider {target.provider!r} does not"
            f" support; it supports {', '.join(kinds)}; "
        )
        if target.probes is None:
            yield (), ValueError(f"{wrong}list the probes for this target under probes")
        else:
            yield ("probes", position), ValueError(f"{wrong}remove it")
