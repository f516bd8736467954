"""Three SDKs accept the simulator as Azure, each on its own endpoint, and agree with our probe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from azure.ai.inference.aio import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError

from exporter.result import FailureReason, RateLimit, Usage
from exporter.simulator import Error, ErrorKind, Script, Simulator, faults
from tests.contract.probing import probed

KEY = "azure-simulated-key"
PROMPT = "Count from 1 to 20."
NONCE_TOKENS = 1
"""The probe puts a nonce in front of its prompt. The SDKs' requests have none."""
FAST: dict[str, Any] = {"first_token_seconds": 0.01, "token_gap_seconds": 0.001}
VERSION = "2024-10-21"


@dataclass(frozen=True)
class Told:
    """How an SDK interpreted a stream."""

    answer: str
    finish_reason: str | None
    model: str
    usage: Usage


def _said(choice: Any) -> str:
    """Return the text of a choice. The filter's annotations have no delta, despite the SDKs'
    types."""
    return (choice.delta and choice.delta.content) or ""


async def ask_openai(client: openai.AsyncOpenAI) -> Told:
    async with client:
        chunks = [
            chunk
            async for chunk in await client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": PROMPT}],
                max_completion_tokens=64,
                stream=True,
                stream_options={"include_usage": True},
            )
        ]
    choices = [choice for chunk in chunks for choice in chunk.choices]
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    return Told(
        answer="".join(map(_said, choices)),
        finish_reason=[choice.finish_reason for choice in choices if choice.finish_reason][-1],
        model=chunks[-1].model,
        usage=Usage(
            input=usage.prompt_tokens,
            output=usage.completion_tokens,
            cached_input=usage.prompt_tokens_details.cached_tokens or 0,
            reasoning=usage.completion_tokens_details.reasoning_tokens or 0,
        ),
    )


async def ask_v1(url: str, key: str = KEY) -> Told:
    client = openai.AsyncOpenAI(base_url=f"{url}/openai/v1/", api_key=key, max_retries=0)
    return await ask_openai(client)


async def ask_deployment(url: str, key: str = KEY) -> Told:
    client = openai.AsyncAzureOpenAI(
        azure_endpoint=url, api_version=VERSION, api_key=key, max_retries=0
    )
    return await ask_openai(client)


async def inference_updates(url: str, key: str) -> AsyncIterator[Any]:
    client = ChatCompletionsClient(
        f"{url}/models",
        AzureKeyCredential(key),
        model="m",
        retry_total=0,
        permit_insecure_transport=True,
    )
    async with client:
        updates = await client.complete(
            messages=[UserMessage(PROMPT)],
            max_tokens=64,
            stream=True,
            model_extras={"stream_options": {"include_usage": True}},
        )
        async for update in updates:
            yield update


async def ask_inference(url: str, key: str = KEY) -> Told:
    updates = [update async for update in inference_updates(url, key)]
    choices = [choice for update in updates for choice in update.choices or ()]
    usage = updates[-1].usage
    return Told(
        answer="".join(map(_said, choices)),
        finish_reason=[choice.finish_reason for choice in choices if choice.finish_reason][-1],
        model=updates[-1].model,
        usage=Usage(input=usage.prompt_tokens, output=usage.completion_tokens),
    )


@dataclass(frozen=True)
class Way:
    """One endpoint: its SDK's request, the settings of a target, and the path that both must
    use."""

    ask: Callable[..., Awaitable[Told]]
    path: str
    base_path: str = ""
    api_version: str | None = None
    tells_details: bool = True

    async def probed(self, url: str, **fields: Any) -> Any:
        return await probed("azure", url + self.base_path, api_version=self.api_version, **fields)


WAYS = {
    "v1": Way(ask_v1, "/openai/v1/chat/completions"),
    "v1-base": Way(ask_v1, "/openai/v1/chat/completions", "/openai/v1"),
    "deployment": Way(
        ask_deployment, "/openai/deployments/m/chat/completions", api_version=VERSION
    ),
    "inference": Way(ask_inference, "/models/chat/completions", "/models", tells_details=False),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text(KEY)
    return tmp_path / "key"


@pytest.mark.parametrize(
    "script",
    [
        Script(**FAST),
        Script(**FAST, answer="Eins, zwei … 🎉", split_characters=True, served_model="m-2026-09"),
        Script(**FAST, reasoning_tokens=5, show_reasoning=False, cached_input_tokens=3),
        Script(**FAST, answer_tokens=100, tokens_per_chunk=(1, 8, 3)),
        Script(**FAST, preamble=2, events_per_write=50),
    ],
    ids=["plain", "split", "hidden-thought", "cut", "one-write"],
)
async def test_each_sdk_and_our_probe_agree(way: Way, script: Script, key_file: Path) -> None:
    async with Simulator({"m": script}, api_key=KEY) as simulator:
        told = await way.ask(simulator.url)
        result = await way.probed(simulator.url, key_file=key_file)
        theirs, ours = simulator.ledger
    assert result.failure is None
    assert result.answer == told.answer
    assert result.finish_reason == told.finish_reason
    assert result.served_model == told.model == (script.served_model or "m")
    assert theirs.path == ours.path == way.path
    assert result.usage == ours.usage
    assert theirs.usage is not None
    assert ours.usage is not None
    assert ours.usage.input == theirs.usage.input + NONCE_TOKENS
    whole = theirs.usage
    assert told.usage == (whole if way.tells_details else Usage(whole.input, whole.output))


def status_of(error: Exception) -> int | None:
    assert isinstance(error, openai.APIStatusError | HttpResponseError)
    return error.status_code


ERRORS = [
    (ErrorKind.BAD_REQUEST, 400, FailureReason.BAD_REQUEST),
    (ErrorKind.CONTENT_FILTER, 400, FailureReason.CONTENT_FILTER),
    (ErrorKind.INVALID_KEY, 401, FailureReason.AUTH),
    (ErrorKind.FORBIDDEN, 403, FailureReason.AUTH),
    (ErrorKind.MODEL_NOT_FOUND, 404, FailureReason.NOT_FOUND),
    (ErrorKind.RATE_LIMITED, 429, FailureReason.RATE_LIMITED),
    (ErrorKind.QUOTA, 429, FailureReason.QUOTA),
    (ErrorKind.SERVER_ERROR, 500, FailureReason.SERVER_ERROR),
    (ErrorKind.OVERLOADED, 503, FailureReason.OVERLOADED),
]


@pytest.mark.parametrize(("kind", "status", "reason"), ERRORS)
async def test_an_error_before_the_stream_is_what_each_sdk_raises(
    way: Way, kind: ErrorKind, status: int, reason: FailureReason, key_file: Path
) -> None:
    fault = faults.ErrorResponse(Error(kind, "No.", retry_after_seconds=7))
    async with Simulator({"m": Script(fault=fault)}) as simulator:
        with pytest.raises((openai.APIStatusError, HttpResponseError)) as caught:
            await way.ask(simulator.url)
        result = await way.probed(simulator.url, key_file=key_file)
    assert result.failure is not None
    assert result.failure.reason is reason
    assert result.status == status_of(caught.value) == status
    assert result.failure.detail.endswith("No.")
    assert "No." in str(caught.value)
    assert result.retry_after_seconds == 7


@pytest.mark.parametrize(("kind", "status", "reason"), ERRORS)
async def test_an_error_within_the_stream_has_the_same_reason(
    kind: ErrorKind, status: int, reason: FailureReason, key_file: Path
) -> None:
    fault = faults.ErrorMidStream(Error(kind, "No."), after_tokens=3)
    async with Simulator({"m": Script(**FAST, fault=fault)}) as simulator:
        for ask in (ask_v1, ask_deployment):
            with pytest.raises(openai.APIError, match=r"No\."):
                await ask(simulator.url)
        result = await probed("azure", simulator.url, key_file=key_file)
    assert result.failure is not None
    assert result.failure.reason is reason
    assert (result.status, result.answer) == (200, "1 2 3")


async def test_a_wrong_key_and_a_wrong_deployment_are_told_apart(way: Way, key_file: Path) -> None:
    async with Simulator({}, api_key=KEY) as simulator:
        for key, status in (("wrong", 401), (KEY, 404)):
            with pytest.raises((openai.APIStatusError, HttpResponseError)) as caught:
                await way.ask(simulator.url, key=key)
            assert status_of(caught.value) == status
        result = await way.probed(simulator.url, key_file=key_file)
    assert result.failure is not None
    assert result.failure.reason is FailureReason.NOT_FOUND
    assert result.failure.detail.startswith("DeploymentNotFound: ")


async def test_a_deployments_path_without_a_version_is_no_resource() -> None:
    async with Simulator({"m": Script(**FAST)}) as simulator:
        base_url = f"{simulator.url}/openai/deployments/m"
        client = openai.AsyncOpenAI(base_url=base_url, api_key=KEY, max_retries=0)
        with pytest.raises(openai.NotFoundError, match="Resource not found") as caught:
            await ask_openai(client)
    assert caught.value.code == "404"


async def test_the_inference_endpoint_refuses_what_it_does_not_know(key_file: Path) -> None:
    async with Simulator({"m": Script(**FAST)}) as simulator:
        url = f"{simulator.url}/models"
        strict = await probed(
            "azure", url, key_file=key_file, headers={"extra-parameters": "error"}
        )
        dropped = await probed(
            "azure", url, key_file=key_file, headers={"extra-parameters": "drop"}
        )
    assert strict.failure is not None
    assert strict.failure.reason is FailureReason.BAD_REQUEST
    assert dropped.failure is None
    assert dropped.usage is None


async def test_a_late_block_is_the_finish_reason_that_counts(key_file: Path) -> None:
    script = Script(**FAST, fault=faults.ContentFilter(after_tokens=3))
    async with Simulator({"m": script}) as simulator:
        told = await ask_v1(simulator.url)
        result = await probed("azure", simulator.url, key_file=key_file)
    assert told.finish_reason == result.finish_reason == "content_filter"
    assert told.answer == result.answer == "1 2 3"
    assert result.failure is not None
    assert result.failure.reason is FailureReason.CONTENT_FILTER


async def test_limits_below_zero_are_unknown_and_the_request_id_is_the_sdks(
    key_file: Path,
) -> None:
    limits = (RateLimit("requests", 250, -1), RateLimit("tokens", -1, -1))
    async with Simulator({"m": Script(**FAST, rate_limits=limits)}) as simulator:
        result = await probed("azure", simulator.url, key_file=key_file)
        client = openai.AsyncOpenAI(base_url=f"{simulator.url}/openai/v1/", api_key=KEY)
        async with client:
            raw = await client.chat.completions.with_raw_response.create(
                model="m", messages=[{"role": "user", "content": PROMPT}], stream=True
            )
            await raw.parse().close()
    assert result.rate_limits == (RateLimit("requests", 250, None),)
    assert raw.headers["x-ratelimit-remaining-tokens"] == "-1"
    assert result.request_id is not None
    assert raw.request_id is not None
    assert result.request_id.endswith("1")
    assert raw.request_id == result.request_id[:-1] + "2"


async def test_the_sdk_reads_a_refusal_and_our_probe_calls_it_one(key_file: Path) -> None:
    async with Simulator({"m": Script(**FAST, fault=faults.Refusal())}) as simulator:
        told = await ask_v1(simulator.url)
        result = await probed("azure", simulator.url, key_file=key_file)
    assert told.finish_reason == result.finish_reason == "stop"
    assert result.failure is not None
    assert result.failure.reason is FailureReason.REFUSAL
