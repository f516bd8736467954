"""What can be asked. A kind of probe is a module, and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from exporter.kinds.base import Heard, Probe, Size
from exporter.kinds.chat import Chat
from exporter.kinds.models import Models
from exporter.providers.asks import Kind

KINDS: Mapping[Kind, type[Probe]] = MappingProxyType({Kind.CHAT: Chat, Kind.MODELS: Models})

__all__ = ["KINDS", "Chat", "Heard", "Kind", "Models", "Probe", "Size"]
