"""The kind ``models``: the providers' own SDKs and our probe find the same models, without using
tokens."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anthropic
import boto3
import dashscope
import httpx
import ollama
import openai
import pytest
from azure.ai.inference.aio import ChatCompletionsClient
from azure.core.credentials import AzureKeyCredential
from google import genai
from google.genai import types

from exporter.kinds import Kind, Models
from exporter.providers import PRESETS, PROVIDERS
from exporter.providers.asks import ModelsAsk
from exporter.providers.base import Call
from exporter.result import FailureReason, ProbeResult
from exporter.simulator import Script, Simulator, faults, run_in_thread
from exporter.simulator.steps import Error, ErrorKind
from tests.contract.probing import probed
from tests.wire import response, wire_server

KEY = "sk-simulated"
MODELS = Models(kind=Kind.MODELS)
PREFIXES = {"openai": "/v1", "openai_responses": "/v1", "vllm": "/v1", "dashscope": "/api/v1"}
SPEAKERS = [name for name, row in PROVIDERS.items() if Kind.MODELS in row.kinds]
TELLING = [name for name in SPEAKERS if name != "azure"]  # Azure lists models, not deployments


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(KEY)
    return file


def simulator(**script: object) -> Simulator:
    return Simulator({"m": Script(**script), "other": Script()}, api_key=KEY)  # type: ignore[arg-type]


async def listed(provider: str, server: Simulator, key_file: Path, model: str = "m") -> ProbeResult:
    url = server.url + PREFIXES.get(provider, "")
    return await probed(provider, url, key_file=key_file, model=model, probe=MODELS)


@pytest.mark.parametrize("provider", SPEAKERS)
async def test_a_model_that_is_there_is_found_for_no_token(provider: str, key_file: Path) -> None:
    async with simulator() as server:
        result = await listed(provider, server, key_file)
    assert result.failure is None
    assert result.usage is None
    assert result.request_duration_seconds is not None
    assert result.time_to_first_token_seconds is None


@pytest.mark.parametrize("provider", TELLING)
async def test_a_model_that_is_not_there_is_not_found(provider: str, key_file: Path) -> None:
    async with simulator() as server:
        result = await listed(provider, server, key_file, model="mm")
    assert result.failure is not None
    assert result.failure.reason is FailureReason.NOT_FOUND


@pytest.mark.parametrize("provider", SPEAKERS)
async def test_a_wrong_key_is_refused(provider: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("sk-wrong")
    async with simulator() as server:
        result = await listed(provider, server, wrong)
    assert result.failure is not None
    assert result.failure.reason is FailureReason.AUTH


async def test_the_nearest_model_is_named(key_file: Path) -> None:
    async with simulator() as server:
        result = await listed("openai", server, key_file, model="othr")
    assert result.failure is not None
    assert result.failure.detail == "the model is not among the 2 listed; the nearest is 'other'"


async def test_an_error_in_the_answer_is_told(key_file: Path) -> None:
    fault = faults.ErrorResponse(Error(ErrorKind.RATE_LIMITED))
    async with simulator(fault=fault) as server:
        result = await listed("anthropic", server, key_file)
    assert result.failure is not None
    assert result.failure.reason is FailureReason.RATE_LIMITED


def gateway(models: int) -> bytes:
    """Return a list of this many models, as verbose as OpenRouter's."""
    prices = dict.fromkeys(("prompt", "completion", "request", "image", "web_search"), "0.000001")
    modality = {"modality": "text+image->text", "input_modalities": ["text", "image"]}
    talk = {
        "description": "A model, not too large: for code, for prose, and for both. " * 8,
        "architecture": {**modality, "output_modalities": ["text"], "instruct_type": None},
        "pricing": prices,
        "top_provider": {"context_length": 131072, "is_moderated": False},
        "supported_parameters": [f"parameter_{number}" for number in range(14)],
        "default_parameters": {"temperature": 0.7, "top_p": None},
    }
    ids = [f"vendor/model-{number}" for number in range(models - 1)]
    return json.dumps({"data": [{"id": name, **talk} for name in [*ids, "m"]]}).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'[{"id":"m"}]', None),  # Together
        (gateway(500), None),
        (b'{"object":"list","data":[{"id":"models/m"}]}', None),  # Gemini's compatible endpoint
        (b'{"data":[]}', FailureReason.NOT_FOUND),
        (b'{"object":"list","data":null}', FailureReason.NOT_FOUND),  # Ollama
        (b'{"data":[{"id":"m"}', FailureReason.PROTOCOL),
        (b'{"object":"list"}', FailureReason.PROTOCOL),
        (b"<html>", FailureReason.PROTOCOL),
        (b'{"error":{"message":"no","code":"invalid_api_key"}}', FailureReason.AUTH),
        # gateways whose errors have all fields of an answer
        (b'{"data":null,"error":{"message":"no","code":"invalid_api_key"}}', FailureReason.AUTH),
        (b'{"data":null,"success":false,"message":"Invalid token"}', FailureReason.AUTH),
        (b'{"data":[' + b" " * (4 << 20) + b"]}", FailureReason.TOO_LARGE),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_other_lists(body: bytes, reason: FailureReason | None) -> None:
    with wire_server([response(200, body, b"content-type: application/json")]) as server:
        result = await probed("openai", f"{server.url}/v1", probe=MODELS)
    assert (result.failure and result.failure.reason) == reason


async def test_openais_sdk_reads_the_list() -> None:
    async with (
        simulator() as server,
        openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client,
    ):
        assert [model.id async for model in client.models.list()] == ["m", "other"]


async def test_anthropics_sdk_finds_the_model() -> None:
    async with (
        simulator() as server,
        anthropic.AsyncAnthropic(base_url=server.url, api_key=KEY, max_retries=0) as client,
    ):
        assert (await client.models.retrieve("m")).id == "m"
        with pytest.raises(anthropic.NotFoundError):
            await client.models.retrieve("mm")


async def test_googles_sdk_finds_the_model() -> None:
    async with simulator() as server, httpx.AsyncClient() as http:
        options = types.HttpOptions(base_url=server.url, httpx_async_client=http)
        client = genai.Client(api_key=KEY, http_options=options)
        assert (await client.aio.models.get(model="m")).name == "models/m"


async def test_ollamas_sdk_reads_the_list() -> None:
    async with simulator() as server:
        headers = {"authorization": f"Bearer {KEY}"}
        async with ollama.AsyncClient(host=server.url, headers=headers) as client:
            assert [it.model for it in (await client.list()).models] == ["m", "other"]


async def test_dashscopes_sdk_finds_the_model() -> None:
    def found(url: str, name: str) -> Any:
        dashscope.base_http_api_url = f"{url}/api/v1"
        models: Any = dashscope.Models
        return models.get(name, api_key=KEY)

    with run_in_thread(simulator()) as server:
        there, missing = [await asyncio.to_thread(found, server.url, name) for name in ("m", "mm")]
    assert (there.status_code, there.output["model"]) == (200, "m")
    assert missing.status_code == 404


async def test_boto3_finds_the_model_and_the_profile() -> None:
    profile = "eu.amazon.nova-lite-v1:0"
    with run_in_thread(Simulator({"m": Script(), profile: Script()}, api_key=KEY)) as server:
        client = boto3.client(
            "bedrock",
            "us-east-1",
            endpoint_url=server.url,
            aws_access_key_id=KEY,
            aws_secret_access_key="simulated",
        )
        with closing(client):
            model = await asyncio.to_thread(client.get_foundation_model, modelIdentifier="m")
            read = await asyncio.to_thread(
                client.get_inference_profile, inferenceProfileIdentifier=profile
            )
    assert model["modelDetails"]["modelId"] == "m"
    assert read["inferenceProfileId"] == profile


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("amazon.nova-lite-v1:0", "/foundation-models/amazon.nova-lite-v1%3A0"),
        ("eu.amazon.nova-lite-v1:0", "/inference-profiles/eu.amazon.nova-lite-v1%3A0"),
        (
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/ab12",
            "/inference-profiles/"
            + quote("arn:aws:bedrock:us-east-1:1:application-inference-profile/ab12", safe=""),
        ),
    ],
)
def test_bedrock_is_asked_on_its_control_plane(model: str, path: str) -> None:
    base_url = "https://bedrock-runtime.us-east-1.amazonaws.com"
    call = Call(model, ModelsAsk(), base_url, api_key="k")
    request = PROVIDERS["bedrock"].speaks[Kind.MODELS](PRESETS["bedrock"]).request(call)
    assert request.url == f"https://bedrock.us-east-1.amazonaws.com{path}"


@pytest.mark.parametrize("version", [None, "2024-10-21"])
async def test_openais_sdk_lists_what_azure_has(version: str | None, key_file: Path) -> None:
    async with simulator() as server:
        options: dict[str, Any] = {"api_key": KEY, "max_retries": 0}
        client = (
            openai.AsyncAzureOpenAI(azure_endpoint=server.url, api_version=version, **options)
            if version
            else openai.AsyncOpenAI(base_url=f"{server.url}/openai/v1", **options)
        )
        async with client:
            assert [model.id async for model in client.models.list()] == ["m", "other"]
        fields: dict[str, Any] = {"api_version": version} if version else {}
        result = await probed(
            "azure", server.url, key_file=key_file, model="deployment", probe=MODELS, **fields
        )
    assert result.failure is None


async def test_azures_own_sdk_and_our_probe_ask_its_inference_endpoint(key_file: Path) -> None:
    async with simulator() as server:
        url = f"{server.url}/models"
        client = ChatCompletionsClient(url, AzureKeyCredential(KEY), permit_insecure_transport=True)
        async with client:
            info = await client.get_model_info()
        result = await probed("azure", url, key_file=key_file, probe=MODELS)
    assert info.model_name == "m"
    assert result.failure is None
