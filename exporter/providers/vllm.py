"""vLLM's server: OpenAI's Chat Completions from a machine of one's own, whose boots are watched.

Source: vLLM's OpenAI-compatible server. It binds its port before it loads the model, but listens
only afterwards, so that its whole boot is refused connections.
"""

from __future__ import annotations

from exporter.providers.base import SelfHosted
from exporter.providers.openai import OpenAI


class VLLM(OpenAI, SelfHosted):
    """The ``vllm`` dialect."""
