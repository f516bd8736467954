"""The kind ``rerank``: every provider ranks the documents correctly."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import boto3
import dashscope
import pytest

from exporter.kinds import Kind, Rerank
from exporter.kinds.rerank import RerankExpectation
from exporter.result import FailureReason, Usage
from exporter.simulator import Error, ErrorKind, faults
from tests.contract.probing import probed
from tests.kinds.rig import KEY, ask, simulator, speakers
from tests.wire import response, wire_server

PROBE = Rerank(kind=Kind.RERANK, expect=RerankExpectation(order=(1,)))
QUERY, DOCUMENTS = PROBE.query, [*PROBE.documents]
SPEAKERS = speakers(Kind.RERANK)
BEDROCK = "cohere.rerank-v3-5:0"


def model_of(provider: str) -> str:
    return BEDROCK if provider == "bedrock" else "m"


@pytest.mark.parametrize("provider", SPEAKERS)
async def test_the_order_is_judged_whatever_the_nonce(provider: str, tmp_path: Path) -> None:
    model = model_of(provider)
    async with simulator(model) as server:
        results = [await ask(server, provider, PROBE, tmp_path, model) for _ in range(2)]
        prompts = {served.prompt for served in server.ledger}
    assert [result.failure for result in results] == [None, None]
    assert results[0].measures.items == len(DOCUMENTS) + 1
    assert results[0].items_per_second is not None
    assert len(prompts) == 2


@pytest.mark.parametrize("provider", SPEAKERS)
async def test_another_order_is_a_wrong_answer(provider: str, tmp_path: Path) -> None:
    probe = PROBE.model_copy(update={"expect": RerankExpectation(order=(1, 2))})
    model = model_of(provider)
    async with simulator(model) as server:
        result = await ask(server, provider, probe, tmp_path, model)
    assert result.failure is not None
    assert result.failure.reason is FailureReason.WRONG_ANSWER
    assert result.failure.detail == "the best documents are [1, 0], not [1, 2]"


@pytest.mark.parametrize("provider", SPEAKERS)
async def test_errors_are_the_providers(provider: str, tmp_path: Path) -> None:
    model = model_of(provider)
    async with simulator(model, fault=faults.ErrorResponse(Error(ErrorKind.OVERLOADED))) as server:
        result = await ask(server, provider, PROBE, tmp_path, model)
    assert result.failure is not None
    assert result.failure.reason is FailureReason.OVERLOADED


JINA = {
    "model": "jina-reranker-v2-base-multilingual",
    "usage": {"total_tokens": 815},
    "results": [
        {"index": 1, "relevance_score": 0.95, "document": {"text": DOCUMENTS[1]}},
        {"index": 0, "relevance_score": 0.11, "document": {"text": DOCUMENTS[0]}},
        {"index": 3, "relevance_score": 0.05, "document": {"text": "nonce"}},
        {"index": 2, "relevance_score": 0.02, "document": {"text": DOCUMENTS[2]}},
    ],
}
COHERE = {
    "id": "07734bd2-2473-4f07-94e1-0d9f0e6843cf",
    "results": [
        {"index": 1, "relevance_score": 0.999},
        {"index": 2, "relevance_score": 0.3},
        {"index": 0, "relevance_score": 0.3},
        {"index": 3, "relevance_score": 0.0},
    ],
    "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
}


@pytest.mark.parametrize(
    ("body", "usage", "reason"),
    [
        (JINA, Usage(815, 0), None),
        (COHERE, None, None),
        ({"results": []}, None, FailureReason.EMPTY),
        ({"results": JINA["results"][:2]}, None, FailureReason.WRONG_ANSWER),  # type: ignore[index]
        ({"results": [{"index": 0}]}, None, FailureReason.PROTOCOL),
        ({"results": [{"index": 9, "relevance_score": 1}]}, None, FailureReason.WRONG_ANSWER),
    ],
)
async def test_the_forms_of_cohere_and_jina(
    body: dict[str, Any], usage: Usage | None, reason: FailureReason | None
) -> None:
    answer = response(200, json.dumps(body).encode(), b"content-type: application/json")
    with wire_server([answer]) as server:
        result = await probed("openai", f"{server.url}/v2", probe=PROBE)
    assert (result.failure and result.failure.reason) == reason
    assert result.usage == usage


def test_an_expected_order_names_documents() -> None:
    with pytest.raises(ValueError, match="there is no document 3; they are 0 to 2"):
        Rerank(kind=Kind.RERANK, expect=RerankExpectation(order=(0, 3)))


async def test_dashscopes_sdk_reads_the_order() -> None:
    async with simulator() as server:
        told = await asyncio.to_thread(
            dashscope.TextReRank.call,
            model="m",
            query=QUERY,
            documents=DOCUMENTS,
            api_key=KEY,
            base_address=f"{server.url}/api/v1",
        )
    assert told.status_code == 200, told
    assert told.output.results[0].index == 1


async def test_amazons_sdk_reads_the_order() -> None:
    async with simulator(BEDROCK) as server:
        client = boto3.client(
            "bedrock-runtime",
            "us-east-1",
            endpoint_url=server.url,
            aws_access_key_id=KEY,
            aws_secret_access_key="secret",
        )

        def invoke() -> Any:
            body = json.dumps({"query": QUERY, "documents": DOCUMENTS, "api_version": 2})
            return json.loads(client.invoke_model(modelId=BEDROCK, body=body)["body"].read())

        told = await asyncio.to_thread(invoke)
    assert told["results"][0]["index"] == 1
