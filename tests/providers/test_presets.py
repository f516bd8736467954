"""The servers that support Chat Completions: where they live and how they are recognized."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from exporter.config.target import Target
from exporter.providers.asks import is_listed
from exporter.providers.base import ResponseHead, UsageReported
from exporter.providers.openai import OpenAI
from exporter.providers.presets import COMPATIBLE, PRESETS, preset_for
from exporter.result import FailureReason, RateLimit, Usage
from tests.providers.golden import events_of


@pytest.mark.parametrize(
    ("preset", "header"),
    [
        ("openai", "x-request-id"),
        ("bedrock", "x-amzn-requestid"),
        ("litellm", "x-litellm-call-id"),
        ("mistral", "mistral-correlation-id"),
        ("mistral", "x-request-id"),
        ("openrouter", "x-generation-id"),
        ("cloudflare", "cf-aig-log-id"),
        ("xai", "x-request-id"),
    ],
)
def test_the_request_id_stands_in_the_server_s_own_header(preset: str, header: str) -> None:
    facts = OpenAI(PRESETS[preset]).header_facts(ResponseHead(200, {header: "id-1"}))
    assert facts.request_id == "id-1"


@pytest.mark.parametrize("name", PRESETS)
def test_a_server_is_recognised_by_each_of_its_public_endpoints(name: str) -> None:
    preset = PRESETS[name]
    for url in filter(None, [preset.base_url, *preset.regions.values()]):
        assert preset_for(None, url) is preset


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("https://api.openai.com:443/v1", "openai"),
        ("https://EU.api.openai.com/v1", "openai"),
        ("https://ws-1.ap-southeast-1.maas.aliyuncs.com/compatible-mode/v1", "dashscope"),
        ("https://bedrock-mantle.us-east-1.api.aws/v1", "bedrock"),
        ("https://api-inference.together.ai/v1", "together"),
        ("https://gateway.ai.cloudflare.com/v1/account/gateway/compat", "cloudflare"),
        (
            "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/openapi",
            "vertex",
        ),
        ("https://aiplatform.eu.rep.googleapis.com/v1/projects/p", "vertex"),
    ],
)
def test_a_server_is_recognised_by_its_other_hosts(base_url: str, name: str) -> None:
    assert preset_for(None, base_url) is PRESETS[name]


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:8000/v1",
        "https://openai.example.com/api.openai.com/v1",
        "https://api.openai.com.example.com/v1",
        "https://123.cn-beijing.pai-eas.aliyuncs.com/api/predict/s/v1",
        "http://[::1]:8000/v1",
    ],
)
def test_an_unknown_host_is_just_compatible(base_url: str) -> None:
    assert preset_for(None, base_url) is COMPATIBLE


def target(**fields: Any) -> Target:
    return Target.model_validate({"name": "t", "provider": "openai", "model": "m", **fields})


@pytest.mark.parametrize(
    ("fields", "endpoint"),
    [
        ({}, "https://api.openai.com/v1"),
        ({"region": "eu"}, "https://eu.api.openai.com/v1"),
        ({"preset": "groq"}, "https://api.groq.com/openai/v1"),
        (
            {"preset": "dashscope", "region": "singapore"},
            "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        ),
        (
            {"preset": "bedrock", "region": "us-west-2"},
            "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1",
        ),
        ({"preset": "vllm", "base_url": "http://10.0.0.7:8000/v1"}, "http://10.0.0.7:8000/v1"),
        ({"preset": "groq", "base_url": "http://gateway/v1"}, "http://gateway/v1"),
    ],
)
def test_a_target_lives_where_its_preset_and_region_say(
    fields: Mapping[str, object], endpoint: str
) -> None:
    assert target(**fields).endpoint == endpoint


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"preset": "grok"}, "unknown preset 'grok'; did you mean 'groq'?"),
        ({"preset": "xyz"}, "use one of openai, bedrock"),
        ({"preset": "vllm"}, "base_url must be set for preset 'vllm'"),
        ({"preset": "bedrock"}, "region must be set; use one of us-east-1"),
        ({"preset": "groq", "region": "eu"}, "has no regions; remove region"),
        ({"region": "moon"}, "no region 'moon'; use one of us, eu"),
        (
            {"provider": "bedrock", "region": "us-east-1", "preset": "groq"},
            "works only with provider 'openai'",
        ),
    ],
)
def test_a_preset_that_cannot_be_is_refused(fields: Mapping[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        target(**fields)


@pytest.mark.parametrize(
    ("preset", "status", "reason"),
    [
        ("pai_eas", 503, FailureReason.NOT_READY),
        ("pai_eas", 450, FailureReason.OVERLOADED),
        ("llama_swap", 502, FailureReason.NOT_READY),
        ("tensorrt_llm", 503, FailureReason.OVERLOADED),
    ],
)
def test_what_a_bare_status_means_in_front_of_a_model_server(
    preset: str, status: int, reason: FailureReason
) -> None:
    failure = OpenAI(PRESETS[preset]).failure(ResponseHead(status, {}), b"")
    assert failure is not None
    assert failure.reason is reason


def test_google_s_compatible_endpoints_name_thoughts_in_the_total_alone() -> None:
    body = (
        b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":77}}'
    )
    for name, usage in [("gemini", Usage(9, 68, reasoning=64)), ("vertex", Usage(9, 68, 0, 0, 64))]:
        assert events_of(OpenAI(PRESETS[name]), body + b"\n\n") == [UsageReported(usage)]
    assert events_of(OpenAI(), body + b"\n\n") == [UsageReported(Usage(9, 4))]


def test_of_several_limits_of_one_resource_the_tightest_is_told() -> None:
    headers = {
        "x-ratelimit-limit-tokens-minute": "60000",
        "x-ratelimit-remaining-tokens-minute": "50000",
        "x-ratelimit-limit-tokens-day": "1000000",
        "x-ratelimit-remaining-tokens-day": "4000",
    }
    facts = OpenAI(PRESETS["cerebras"]).header_facts(ResponseHead(200, headers))
    assert facts.rate_limits == (RateLimit("tokens", 1000000, 4000),)


@pytest.mark.parametrize(
    ("model", "listed", "expected"),
    [
        ("tiny", {"tiny:latest"}, True),
        ("tiny:latest", {"tiny"}, True),
        ("tiny", {"tiny:8b"}, False),
        ("tiny", {None}, False),
    ],
)
def test_a_model_without_a_tag_is_the_latest(
    model: str, listed: set[str | None], expected: bool
) -> None:
    assert is_listed(model, listed) is expected
