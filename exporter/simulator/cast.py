"""The demo's models: each a script for the simulator, and the settings of a target."""

from __future__ import annotations

from dataclasses import dataclass, field

from exporter.result import RateLimit
from exporter.simulator.faults import Disconnect, ErrorResponse
from exporter.simulator.script import Boot, Script, Sign
from exporter.simulator.steps import Error, ErrorKind


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """A simulated model, with the settings of a target for it."""

    name: str
    provider: str
    path: str
    script: Script
    labels: dict[str, str] = field(default_factory=dict)
    price: dict[str, float] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    """Other settings of the target."""
    restarts: bool = False
    """Whether the model has its own server, which boots with the demo and restarts now and then."""


_THROTTLED = ErrorResponse(Error(ErrorKind.RATE_LIMITED, "Slow down.", retry_after_seconds=4))

# List prices of small models in November 2026. If the demo were real, one probe per minute would
# cost less than a dollar per day.
MODELS = (
    SimulatedModel(
        "hosted-large",
        "openai",
        "/v1",
        Script(
            first_token_seconds=0.35,
            token_gap_seconds=0.018,
            jitter=0.25,
            served_model="hosted-large-2026-09-01",
            rate_limits=(RateLimit("requests", 500, 480), RateLimit("tokens", 200_000, 188_000)),
        ),
        {"stack": "baseline"},
        {"input": 0.2, "cached_input": 0.02, "output": 1.25},
    ),
    SimulatedModel(
        "hosted-reasoner",
        "openai",
        "/v1",
        Script(
            first_token_seconds=0.6,
            token_gap_seconds=0.01,
            jitter=0.3,
            reasoning_tokens=40,
            show_reasoning=False,
        ),
        {"stack": "baseline"},
        {"input": 0.1, "cached_input": 0.01, "output": 0.5},
    ),
    SimulatedModel(
        "hosted-thinker",
        "openai_responses",
        "/v1",
        Script(
            first_token_seconds=0.5,
            token_gap_seconds=0.012,
            jitter=0.25,
            reasoning_tokens=20,
            served_model="hosted-thinker-2026-10-01",
            rate_limits=(RateLimit("requests", 500, 490), RateLimit("tokens", 200_000, 195_000)),
        ),
        {"stack": "candidate"},
        {"input": 0.2, "cached_input": 0.02, "output": 1.2},
    ),
    SimulatedModel(
        "qwen-singapore",
        "dashscope",
        "/api/v1",
        Script(
            first_token_seconds=0.4,
            token_gap_seconds=0.015,
            jitter=0.3,
            tokens_per_chunk=(1, 4),
        ),
        {"stack": "candidate"},
        {"input": 0.4, "output": 1.2},
    ),
    SimulatedModel(
        "bedrock-nova",
        "bedrock",
        "",
        Script(first_token_seconds=0.45, token_gap_seconds=0.011, jitter=0.25),
        {"stack": "candidate"},
        {"input": 0.06, "output": 0.24},
    ),
    SimulatedModel(
        "vllm-qwen",
        "vllm",
        "/v1",
        Script(
            first_token_seconds=0.12,
            token_gap_seconds=0.008,
            jitter=0.2,
            reasoning_tokens=12,
            tokens_per_chunk=(1, 1, 2),
            boot=Boot(seconds=14),
        ),
        {"stack": "candidate"},
        restarts=True,
    ),
    SimulatedModel(
        "scale-to-zero",
        "openai",
        "/v1",
        Script(
            first_token_seconds=0.25,
            token_gap_seconds=0.015,
            jitter=0.2,
            boot=Boot(seconds=7, idle_seconds=12, sign=Sign.HELD),
        ),
        settings={"cold_start": {"idle": "15s", "every": "60s"}},
    ),
    SimulatedModel(
        "claude-thinker",
        "anthropic",
        "",
        Script(
            first_token_seconds=0.45,
            token_gap_seconds=0.011,
            jitter=0.25,
            preamble=1,
            reasoning_tokens=24,
            cached_input_tokens=8,
            rate_limits=(RateLimit("requests", 1000, 990), RateLimit("tokens", 80_000, 76_000)),
        ),
        {"stack": "candidate"},
        {"input": 0.1, "cached_input": 0.01, "output": 0.5},
    ),
    SimulatedModel(
        "azure-deployment",
        "azure",
        "",
        Script(
            first_token_seconds=0.4,
            token_gap_seconds=0.015,
            jitter=0.3,
            tokens_per_chunk=(6, 4),  # its content filter delays text
            served_model="hosted-large-2026-09-01",
        ),
        {"stack": "candidate"},
        {"input": 0.2, "cached_input": 0.02, "output": 1.25},
    ),
    SimulatedModel(
        "flaky-gateway",
        "openai",
        "/v1",
        Script(
            first_token_seconds=0.2,
            token_gap_seconds=0.012,
            jitter=0.4,
            preamble=3,
            fault=Disconnect(after_tokens=6),
            fault_ratio=0.2,
        ),
        {"stack": "candidate"},
    ),
    SimulatedModel(
        "gemini-flash",
        "gemini",
        "",
        Script(
            first_token_seconds=0.3,
            token_gap_seconds=0.005,
            jitter=0.25,
            reasoning_tokens=20,
            show_reasoning=False,
            tokens_per_chunk=(6, 10),
            served_model="gemini-flash-001",
        ),
        {"stack": "candidate"},
        {"input": 0.25, "cached_input": 0.025, "output": 1.5},
    ),
    SimulatedModel(
        "ollama-qwen",
        "ollama",
        "",
        Script(
            headers_seconds=0.25,
            first_token_seconds=0.25,
            token_gap_seconds=0.03,
            jitter=0.1,
            reasoning_tokens=8,
        ),
        {"stack": "candidate"},
    ),
    SimulatedModel(
        "throttled",
        "openai",
        "/v1",
        Script(first_token_seconds=0.15, jitter=0.2, fault=_THROTTLED, fault_ratio=0.3),
    ),
)
