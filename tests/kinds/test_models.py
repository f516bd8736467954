"""The kind ``models``: the providers' own SDKs and our probe find the same models, for no token."""

from __future__ import annotations

from pathlib import Path

import anthropic
import httpx
import ollama
import openai
import pytest
from google import genai
from google.genai import types

from exporter.kinds import Kind, Models
from exporter.providers import PROVIDERS
from exporter.result import FailureReason, ProbeResult
from exporter.simulator import Script, Simulator, faults
from exporter.simulator.steps import Error, ErrorKind
from tests.contract.probing import probed
from tests.kinds.rig import PATIENT
from tests.wire import response, wire_server

KEY = "sk-simulated"
MODELS = Models(kind=Kind.MODELS)
PREFIXES = {"openai": "/v1", "openai_responses": "/v1", "vllm": "/v1"}
SPEAKERS = [name for name, row in PROVIDERS.items() if Kind.MODELS in row.kinds]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(KEY)
    return file


def simulator(**script: object) -> Simulator:
    return Simulator({"m": Script(**script), "other": Script()}, api_key=KEY)  # type: ignore[arg-type]


async def listed(provider: str, server: Simulator, key_file: Path, model: str = "m") -> ProbeResult:
    url = server.url + PREFIXES.get(provider, "")
    return await probed(
        provider, url, key_file=key_file, model=model, probe=MODELS, timeouts=PATIENT
    )


@pytest.mark.parametrize("provider", SPEAKERS)
async def test_a_model_that_is_there_is_found_for_no_token(provider: str, key_file: Path) -> None:
    async with simulator() as server:
        result = await listed(provider, server, key_file)
    assert result.failure is None
    assert result.usage is None
    assert result.request_duration_seconds is not None
    assert result.time_to_first_token_seconds is None


@pytest.mark.parametrize("provider", SPEAKERS)
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
    assert result.failure.detail == "the model is none of the 2 listed; the nearest is 'other'"


async def test_an_error_in_the_answer_is_told(key_file: Path) -> None:
    fault = faults.ErrorResponse(Error(ErrorKind.RATE_LIMITED))
    async with simulator(fault=fault) as server:
        result = await listed("anthropic", server, key_file)
    assert result.failure is not None
    assert result.failure.reason is FailureReason.RATE_LIMITED


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'[{"id":"m"}]', None),  # Together
        (b'{"object":"list","data":[{"id":"models/m"}]}', None),  # Gemini's compatible endpoint
        (b'{"data":[]}', FailureReason.NOT_FOUND),
        (b'{"data":[{"id":"m"}', FailureReason.PROTOCOL),
        (b'{"object":"list"}', FailureReason.PROTOCOL),
        (b"<html>", FailureReason.PROTOCOL),
        (b'{"error":{"message":"no","code":"invalid_api_key"}}', FailureReason.AUTH),
        (b'{"data":[' + b" " * (4 << 20) + b"]}", FailureReason.TOO_LARGE),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_other_lists(body: bytes, reason: FailureReason | None) -> None:
    with wire_server([response(200, body, b"content-type: application/json")]) as server:
        result = await probed("openai", f"{server.url}/v1", probe=MODELS, timeouts=PATIENT)
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
