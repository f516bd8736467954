"""Creates the pusher if it is configured. It needs an optional extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.config.root import Config
from exporter.metrics.registry import Metrics
from exporter.settings.mistakes import ConfigError, Mistake

if TYPE_CHECKING:
    from exporter.metrics.push.pusher import Pusher


def pusher_of(config: Config, metrics: Metrics) -> Pusher | None:
    """Return the pusher, or ``None`` if the configuration has none.

    :raises ConfigError: the optional extra isn't installed.
    """
    if config.push is None:
        return None
    try:
        from exporter.metrics.push.pusher import Pusher  # noqa: PLC0415  an optional extra
    except ImportError:
        needs = "needs: pip install 'inference-exporter[push]'"
        raise ConfigError([Mistake(needs, key="push")]) from None
    return Pusher(config.push, metrics.everything)
