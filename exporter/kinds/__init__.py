"""The kinds of probes. Each kind is a module, and a row in ``KINDS``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from exporter.kinds.base import Heard, Probe, Size
from exporter.kinds.cached_prefix import CachedPrefix
from exporter.kinds.chat import Chat
from exporter.kinds.embeddings import Embeddings
from exporter.kinds.fingerprint import FingerprintProbe
from exporter.kinds.models import Models
from exporter.kinds.rerank import Rerank
from exporter.providers.asks import Kind

KINDS: Mapping[Kind, type[Probe]] = MappingProxyType(
    {
        Kind.CHAT: Chat,
        Kind.CACHED_PREFIX: CachedPrefix,
        Kind.MODELS: Models,
        Kind.EMBEDDINGS: Embeddings,
        Kind.RERANK: Rerank,
        Kind.FINGERPRINT: FingerprintProbe,
    }
)

__all__ = [
    "KINDS",
    "CachedPrefix",
    "Chat",
    "Embeddings",
    "FingerprintProbe",
    "Heard",
    "Kind",
    "Models",
    "Probe",
    "Rerank",
    "Size",
]
