"""What pushes series, where it is asked for: it needs an optional extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.config.root import Config
from exporter.metrics.registry import Metrics
from exporter.settings.mistakes import ConfigError, Mistake

if TYPE_CHECKING:
    from exporter.metrics.push.pusher import Pusher


def pusher_of(config: Config, metrics: Metrics) -> Pusher | None:
    """:raises ConfigError: series are to be pushed, and what does it is not installed."""
    if config.push is None:
        return None
    try:
        from exporter.metrics.push.pusher import Pusher  # noqa: PLC0415  an optional extra
    except ImportError:
        needs = "needs: pip install 'inference-exporter[push]'"
        raise ConfigError([Mistake(needs, key="push")]) from None
    return Pusher(config.push, metrics.everything)
