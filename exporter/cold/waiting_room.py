"""Which targets are being waited for, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from exporter.coldness import Waiting
from exporter.config.plan import PlanChange

WaitingListener = Callable[[str, Waiting | None], None]
"""Is told the name of a target, and what it is being waited for; ``None`` once it is not."""


class WaitingRoom:
    """Targets that are not ready, or rest until they are cold; listeners hear of each change."""

    def __init__(self, listeners: Iterable[WaitingListener]) -> None:
        self._listeners = tuple(listeners)
        self._waiting: dict[str, Waiting] = {}

    def not_ready(self, target: str, since: float, detail: str) -> None:
        """The model is not ready; of several times since when, the first one holds.

        :param since: Unix seconds.
        """
        known = self._waiting.get(target)
        if known and not known.ready:
            since = known.since
        self._set(target, Waiting(since, detail))

    def resting(self, target: str, since: float, detail: str) -> None:
        """Nothing is wrong, but the target is not asked as usual."""
        known = self._waiting.get(target)
        if known is None or known.ready:
            self._set(target, Waiting(since, detail, ready=True))

    def is_resting(self, target: str) -> bool:
        """Whether the target is left alone, so that nobody may ask it for anything."""
        known = self._waiting.get(target)
        return known is not None and known.ready

    def rested(self, target: str) -> None:
        """It is asked as usual again; whether it is ready is another matter."""
        known = self._waiting.get(target)
        if known and known.ready:
            self.ready(target)

    def ready(self, target: str) -> None:
        """The model has answered."""
        if self._waiting.pop(target, None):
            self._tell(target, None)

    def apply(self, change: PlanChange) -> None:
        """Forget the targets that are in force no more."""
        asked = {plan.asked for plan in change.plans}
        for plan in change.gone:
            if plan.asked not in asked:
                self._waiting.pop(plan.target.name, None)

    def _set(self, target: str, waiting: Waiting) -> None:
        self._waiting[target] = waiting
        self._tell(target, waiting)

    def _tell(self, target: str, waiting: Waiting | None) -> None:
        for listener in self._listeners:
            listener(target, waiting)
