"""Which targets are being waited for, and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from exporter.coldness import Waiting
from exporter.config.plan import PlanChange
from exporter.result import NANOSECONDS

WaitingListener = Callable[[str, Waiting | None], None]
"""Receives the name of a target and why the exporter waits for it; ``None`` once it doesn't."""


@dataclass(frozen=True, slots=True)
class _Known:
    began_ns: int
    """Monotonic, because the system clock can be set meanwhile."""
    detail: str
    ready: bool

    @property
    def waiting(self) -> Waiting:
        elapsed = (time.monotonic_ns() - self.began_ns) / NANOSECONDS
        return Waiting(time.time() - elapsed, self.detail, self.ready)


class WaitingTargets:
    """Targets that are not ready, or that stay idle until they are cold. Notifies listeners of
    each change."""

    def __init__(self, listeners: Iterable[WaitingListener]) -> None:
        self._listeners = tuple(listeners)
        self._known: dict[str, _Known] = {}

    def not_ready(self, target: str, began_ns: int, detail: str) -> None:
        """Record that the model is not ready.

        :param began_ns: since when, monotonic nanoseconds. While the model stays not ready, the
            first value remains.
        """
        known = self._known.get(target)
        if known and not known.ready:
            began_ns = known.began_ns
        self._set(target, _Known(began_ns, detail, ready=False))

    def idle(self, target: str, detail: str) -> None:
        """Record that nothing is wrong, but that the target gets no scheduled probes from now
        on."""
        known = self._known.get(target)
        if known is None or known.ready:
            self._set(target, _Known(time.monotonic_ns(), detail, ready=True))

    def is_idle(self, target: str) -> bool:
        """Whether the target must stay idle, without any requests."""
        known = self._known.get(target)
        return known is not None and known.ready

    def no_longer_idle(self, target: str) -> None:
        """Record that the target gets scheduled probes again, whether it is ready or not."""
        if self.is_idle(target):
            self._end(target)

    def ready(self, target: str) -> None:
        """Record that the model is not loading: it has answered, or failed for another reason. A
        target that must stay idle still must."""
        if not self.is_idle(target):
            self._end(target)

    def realign(self) -> None:
        """Tell the listeners all times again after the system clock has changed."""
        for target, known in self._known.items():
            self._tell(target, known.waiting)

    def apply(self, change: PlanChange) -> None:
        """Forget the targets that were removed."""
        asked = {plan.asked for plan in change.plans}
        for plan in change.gone:
            if plan.asked not in asked:
                self._known.pop(plan.target.name, None)

    def _end(self, target: str) -> None:
        if self._known.pop(target, None):
            self._tell(target, None)

    def _set(self, target: str, known: _Known) -> None:
        self._known[target] = known
        self._tell(target, known.waiting)

    def _tell(self, target: str, waiting: Waiting | None) -> None:
        for listener in self._listeners:
            listener(target, waiting)
