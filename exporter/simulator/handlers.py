"""All simulated providers, one row each."""

from __future__ import annotations

from exporter.simulator.anthropic import AnthropicHandler
from exporter.simulator.azure import AzureHandler
from exporter.simulator.bedrock import BedrockHandler
from exporter.simulator.dashscope import DashScopeHandler
from exporter.simulator.embeddings import EMBEDDERS
from exporter.simulator.gemini import GeminiHandler
from exporter.simulator.handler import Handler, Request
from exporter.simulator.listing import LISTINGS
from exporter.simulator.ollama import OllamaHandler
from exporter.simulator.openai import OpenAIHandler
from exporter.simulator.openai_responses import OpenAIResponsesHandler
from exporter.simulator.rerank import RERANKERS

HANDLERS: tuple[Handler, ...] = (
    *EMBEDDERS,
    *RERANKERS,
    AzureHandler(),  # before OpenAI's, which also claims this path
    OpenAIHandler(),
    OpenAIResponsesHandler(),
    BedrockHandler(),
    DashScopeHandler(),
    GeminiHandler(),
    OllamaHandler(),
    AnthropicHandler(),
    *LISTINGS,
)


def handler_for(request: Request) -> Handler | None:
    """Return the handler that claims a request."""
    return next((handler for handler in HANDLERS if handler.claims(request)), None)
