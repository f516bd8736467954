"""Which targets are being waited for, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from exporter.coldness import Waiting
from exporter.config.plan import PlanChange

WaitingListener = Callable[[str, Waiting | None], None]
"""Receives the name of a target and why the exporter waits for it; ``None`` once it doesn't."""


class WaitingTargets:
    """Targets that are not ready, or that stay idle until they are cold. Notifies listeners of
    each change."""

    def __init__(self, listeners: Iterable[WaitingListener]) -> None:
        self._listeners = tuple(listeners)
        self._waiting: dict[str, Waiting] = {}

    def not_ready(self, target: str, since: float, detail: str) -> None:
        """Record that the model is not ready.

        :param since: Unix seconds. While the model stays not ready, the first value remains.
        """
        known = self._waiting.get(target)
        if known and not known.ready:
            since = known.since
        self._set(target, Waiting(since, detail))

    def idle(self, target: str, since: float, detail: str) -> None:
        """Record that nothing is wrong, but that the target gets no scheduled probes.

        :param since: Unix seconds.
        """
        known = self._waiting.get(target)
        if known is None or known.ready:
            self._set(target, Waiting(since, detail, ready=True))

    def is_idle(self, target: str) -> bool:
        """Whether the target must stay idle, without any requests."""
        known = self._waiting.get(target)
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

    def apply(self, change: PlanChange) -> None:
        """Forget the targets that were removed."""
        asked = {plan.asked for plan in change.plans}
        for plan in change.gone:
            if plan.asked not in asked:
                self._waiting.pop(plan.target.name, None)

    def _end(self, target: str) -> None:
        if self._waiting.pop(target, None):
            self._tell(target, None)

    def _set(self, target: str, waiting: Waiting) -> None:
        self._waiting[target] = waiting
        self._tell(target, waiting)

    def _tell(self, target: str, waiting: Waiting | None) -> None:
        for listener in self._listeners:
            listener(target, waiting)
