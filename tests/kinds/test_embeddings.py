"""The kind ``embeddings``: the providers' own SDKs and our probe get the same vectors."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import boto3
import dashscope
import httpx
import ollama
import openai
import pytest
from google import genai
from google.genai import types

from exporter.kinds import Embeddings, Kind
from exporter.kinds.embeddings import DEFAULT_INPUT, EmbeddingsExpectation
from exporter.metrics.target_series import cosine
from exporter.providers import PROVIDERS
from exporter.providers.asks import EmbeddingsAsk
from exporter.providers.base import Call
from exporter.result import FailureReason, Usage
from exporter.simulator import Error, ErrorKind, Simulator, faults
from tests.contract.probing import probed
from tests.kinds.rig import KEY, ask, simulator, speakers
from tests.wire import response, wire_server

PROBE = Embeddings(kind=Kind.EMBEDDINGS)
TEXT = DEFAULT_INPUT[0]
SPEAKERS = speakers(Kind.EMBEDDINGS)


@pytest.mark.parametrize("provider", SPEAKERS)
async def test_the_same_text_has_the_same_vector_whatever_the_nonce(
    provider: str, tmp_path: Path
) -> None:
    async with simulator(dimensions=12) as server:
        first, second = [await ask(server, provider, PROBE, tmp_path) for _ in range(2)]
        prompts = [served.prompt for served in server.ledger]
    assert first.failure is None
    assert first.measures.direction == second.measures.direction
    assert first.measures.dimensions == 12
    assert first.request_duration_seconds is not None
    assert first.time_to_first_token_seconds is None
    if provider == "bedrock":  # Titan takes one text
        assert first.measures.items == 1
        assert prompts == [TEXT, TEXT]
    else:
        assert first.measures.items == 2
        assert prompts[0] != prompts[1]
        assert all(prompt.startswith(f"{TEXT}\n") for prompt in prompts)


@pytest.mark.parametrize("provider", SPEAKERS)
async def test_the_length_of_the_vectors_can_be_chosen(provider: str, tmp_path: Path) -> None:
    probe = Embeddings(kind=Kind.EMBEDDINGS, input=("a b", "c"), dimensions=5)
    async with simulator() as server:
        result = await ask(server, provider, probe, tmp_path)
    assert result.failure is None
    assert result.measures.dimensions == 5


@pytest.mark.parametrize("provider", SPEAKERS)
async def test_a_batch_of_long_vectors_is_read(provider: str, tmp_path: Path) -> None:
    texts = tuple(f"text {number}" for number in range(8))
    probe = Embeddings(kind=Kind.EMBEDDINGS, input=texts, dimensions=3072)
    async with simulator() as server:
        result = await ask(server, provider, probe, tmp_path)
    assert result.failure is None
    assert result.measures.dimensions == 3072


@pytest.mark.parametrize("provider", SPEAKERS)
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ErrorKind.RATE_LIMITED, FailureReason.RATE_LIMITED),
        (ErrorKind.MODEL_NOT_FOUND, FailureReason.NOT_FOUND),
        (ErrorKind.INVALID_KEY, FailureReason.AUTH),
    ],
)
async def test_errors_are_the_providers(
    provider: str, kind: ErrorKind, reason: FailureReason, tmp_path: Path
) -> None:
    async with simulator(fault=faults.ErrorResponse(Error(kind))) as server:
        result = await ask(server, provider, PROBE, tmp_path)
    assert result.failure is not None
    assert result.failure.reason is reason


async def test_cohere_on_bedrock_takes_all_texts(tmp_path: Path) -> None:
    model = "cohere.embed-v4:0"
    async with simulator(model) as server:
        result = await ask(server, "bedrock", PROBE, tmp_path, model=model)
    assert result.failure is None
    assert (result.measures.items, result.measures.dimensions) == (2, 32)


async def test_tokens_are_counted_as_input(tmp_path: Path) -> None:
    async with simulator() as server:
        result = await ask(server, "openai", PROBE, tmp_path)
    assert result.usage == Usage(input=len(TEXT.split()) + 1, output=0)


async def test_another_model_has_another_direction(tmp_path: Path) -> None:
    async with simulator() as server:
        before = await ask(server, "openai", PROBE, tmp_path)
        other = await ask(server, "openai", PROBE, tmp_path, model="other")
    assert cosine(before.measures.direction, before.measures.direction) == pytest.approx(1)
    assert abs(cosine(before.measures.direction, other.measures.direction)) < 0.9
    assert cosine(before.measures.direction, (1.0, 2.0)) == 0


@pytest.mark.parametrize(
    ("vectors", "probe", "reason", "detail"),
    [
        ([], PROBE, FailureReason.EMPTY, "the response has no vectors"),
        ([[1, 2]], PROBE, FailureReason.WRONG_ANSWER, "vectors is 1, but the number of texts is 2"),
        (
            [[1, 2]] * 3,
            PROBE,
            FailureReason.WRONG_ANSWER,
            "vectors is 3, but the number of texts is 2",
        ),
        ([[], []], PROBE, FailureReason.WRONG_ANSWER, "a vector is all zeros"),
        ([[1, 2], [0, 0]], PROBE, FailureReason.WRONG_ANSWER, "a vector is all zeros"),
        ([[1, 2], [1]], PROBE, FailureReason.WRONG_ANSWER, "the vectors have different lengths"),
        (
            [[1, 2], [3, 4]],
            Embeddings(kind=Kind.EMBEDDINGS, expect=EmbeddingsExpectation(dimensions=3)),
            FailureReason.WRONG_ANSWER,
            "the vectors have 2 dimensions, not 3",
        ),
        ([["a"]], PROBE, FailureReason.PROTOCOL, "not a list of embeddings: data.0.embedding.0"),
        ([[1e999]], PROBE, FailureReason.PROTOCOL, "not a list of embeddings"),
    ],
)
async def test_wrong_vectors_are_told(
    vectors: list[Any], probe: Embeddings, reason: FailureReason, detail: str
) -> None:
    items = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    body = json.dumps({"data": items}).encode()
    with wire_server([response(200, body, b"content-type: application/json")]) as server:
        result = await probed("openai", f"{server.url}/v1", probe=probe)
    assert result.failure is not None
    assert (result.failure.reason, result.measures.items) == (reason, None)
    assert detail in result.failure.detail


@pytest.mark.parametrize(
    ("base_url", "version", "url"),
    [
        ("https://r.openai.azure.com", None, "https://r.openai.azure.com/openai/v1/embeddings"),
        (
            "https://r.openai.azure.com",
            "2024-10-21",
            "https://r.openai.azure.com/openai/deployments/m/embeddings?api-version=2024-10-21",
        ),
    ],
)
def test_azure_has_its_ways_in_for_embeddings_too(
    base_url: str, version: str | None, url: str
) -> None:
    row = PROVIDERS["azure"]
    dialect = row.dialect(row.server(None, None), Kind.EMBEDDINGS)
    call = Call("m", EmbeddingsAsk(("a",)), base_url, api_key="k", api_version=version)
    assert dialect.request(call).url == url


def simulated(server: Simulator) -> list[float]:
    """Return the vector of ``a b`` from the simulator's model."""
    answer = httpx.post(
        f"{server.url}/v1/embeddings",
        json={"model": "m", "input": "a b"},
        headers={"authorization": f"Bearer {KEY}"},
    )
    vector: list[float] = answer.json()["data"][0]["embedding"]
    return vector


async def test_openais_sdk_reads_the_vectors() -> None:
    async with (
        simulator() as server,
        openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client,
    ):
        told = await client.embeddings.create(model="m", input=["a b", "c"], dimensions=4)
    assert [len(item.embedding) for item in told.data] == [4, 4]
    assert (told.model, told.usage.prompt_tokens) == ("m", 3)


async def test_googles_sdk_reads_the_vectors() -> None:
    async with simulator() as server, httpx.AsyncClient() as http:
        options = types.HttpOptions(base_url=server.url, httpx_async_client=http)
        client = genai.Client(api_key=KEY, http_options=options)
        told = await client.aio.models.embed_content(
            model="m", contents="a b", config={"output_dimensionality": 4}
        )
    assert [len(embedding.values or ()) for embedding in told.embeddings or ()] == [4]


async def test_ollamas_sdk_reads_the_vectors() -> None:
    async with simulator() as server:
        headers = {"authorization": f"Bearer {KEY}"}
        async with ollama.AsyncClient(host=server.url, headers=headers) as client:
            told = await client.embed(model="m", input=["a b", "c"])
        assert [*told.embeddings[0]] == await asyncio.to_thread(simulated, server)
    assert told.prompt_eval_count == 3


async def test_amazons_sdk_reads_the_vectors() -> None:
    async with simulator() as server:
        client = boto3.client(
            "bedrock-runtime",
            "us-east-1",
            endpoint_url=server.url,
            aws_access_key_id=KEY,
            aws_secret_access_key="secret",
        )

        def invoke() -> Any:
            body = json.dumps({"inputText": "a b", "dimensions": 4})
            return json.loads(client.invoke_model(modelId="m", body=body)["body"].read())

        told = await asyncio.to_thread(invoke)
    assert (len(told["embedding"]), told["inputTextTokenCount"]) == (4, 2)


async def test_dashscopes_sdk_reads_the_vectors() -> None:
    async with simulator() as server:
        told = await asyncio.to_thread(
            dashscope.TextEmbedding.call,
            model="m",
            input=["a b", "c"],
            dimension=4,
            api_key=KEY,
            base_address=f"{server.url}/api/v1",
        )
    assert told.status_code == 200, told
    assert [len(item["embedding"]) for item in told.output["embeddings"]] == [4, 4]
    assert told.usage["total_tokens"] == 3
