"""boto3 and our probe, compared on the simulated Bedrock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from exporter.config.plan import Plan
from exporter.config.target import Target
from exporter.kinds import Chat
from exporter.net.transport import Connections
from exporter.probing.probe import run_probe
from exporter.result import FailureReason, ProbeResult, Usage
from exporter.simulator import Boot, Error, ErrorKind, Script, Simulator, run_in_thread
from exporter.simulator.faults import (
    ContentFilter,
    DataAfterEnd,
    Disconnect,
    EmptyAnswer,
    ErrorMidStream,
    ErrorResponse,
    ErrorWithStatusOk,
    Fault,
    Garbage,
    MissingEndMarker,
)
from tests.limits import PATIENT
from tests.waiting import timed
from tests.wire import response, wire_server

MODEL = "eu.amazon.nova-lite-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12cd34ef56"


@pytest.fixture(autouse=True)
def dummy_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set dummy keys. boto3 would prefer a bearer key, but rejects it without TLS."""
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "dummy-secret-key")


@contextmanager
def simulator(script: Script, **options: Any) -> Iterator[Simulator]:
    with run_in_thread(Simulator({MODEL: script, ARN: script}, **options)) as running:
        yield running


@dataclass(frozen=True)
class Told:
    """How boto3 interpreted a stream."""

    answer: str
    reasoning: str
    finish_reason: str | None
    usage: Usage | None
    request_id: str
    invoked_model: str | None


def ask_with_boto3(url: str, model: str = MODEL) -> Told:
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "bedrock-runtime",
        "us-east-1",
        endpoint_url=url,
        config=Config(retries={"total_max_attempts": 1}),
    )
    with closing(client):
        answer = client.converse_stream(
            modelId=model,
            messages=[{"role": "user", "content": [{"text": "Count to twenty"}]}],
            inferenceConfig={"maxTokens": 64},
        )
        with closing(answer["stream"]) as stream:
            events = list(stream)
    deltas = [
        event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event
    ]
    stops = [event["messageStop"]["stopReason"] for event in events if "messageStop" in event]
    ends = [event["metadata"] for event in events if "metadata" in event]
    end = ends[-1] if ends else {}
    return Told(
        answer="".join(delta.get("text", "") for delta in deltas),
        reasoning="".join(delta.get("reasoningContent", {}).get("text", "") for delta in deltas),
        finish_reason=stops[-1] if stops else None,
        usage=_usage(end["usage"]) if "usage" in end else None,
        request_id=answer["ResponseMetadata"]["RequestId"],
        invoked_model=end.get("trace", {}).get("promptRouter", {}).get("invokedModelId"),
    )


def _usage(counts: dict[str, int]) -> Usage:
    """Normalize by the rule of AWS's user guide: the input excludes cached tokens."""
    read, written = counts["cacheReadInputTokens"], counts["cacheWriteInputTokens"]
    return Usage(
        input=counts["inputTokens"] + read + written,
        output=counts["outputTokens"],
        cached_input=read,
        cache_write=written,
    )


async def probed(url: str, model: str = MODEL, **fields: Any) -> ProbeResult:
    target = Target.model_validate(
        {"name": "t", "provider": "bedrock", "model": model, "base_url": url, **fields}
    )
    plan = Plan(
        target=target,
        probe_name="p",
        probe=Chat(prompt="Count to twenty", max_output_tokens=64),
        interval_seconds=60,
        timeouts=PATIENT,
        fresh_connection=False,
    )
    connections = Connections(target)
    try:
        return await run_probe(plan, "Count to twenty", connections)
    finally:
        await connections.retire()


@pytest.mark.parametrize(
    "script",
    [
        Script(first_token_seconds=0.01, token_gap_seconds=0),
        Script(first_token_seconds=0.01, token_gap_seconds=0, reasoning_tokens=5),
        Script(first_token_seconds=0.01, token_gap_seconds=0, tokens_per_chunk=(1, 3, 8)),
        Script(first_token_seconds=0.01, token_gap_seconds=0, events_per_write=50),
        Script(
            first_token_seconds=0.01,
            token_gap_seconds=0,
            split_characters=True,
            answer="é 世界 🙂",
            cached_input_tokens=1,
        ),
        Script(first_token_seconds=0.01, token_gap_seconds=0, reports_usage=False),
        Script(first_token_seconds=0.01, token_gap_seconds=0, served_model="amazon.nova-pro-v1:0"),
    ],
    ids=["plain", "reasoning", "chunks", "one write", "split writes", "no usage", "routed"],
)
async def test_boto3_and_the_probe_agree(script: Script) -> None:
    with simulator(script) as running:
        told = await asyncio.to_thread(ask_with_boto3, running.url)
        result = await probed(running.url)
        served = running.ledger
    assert result.success
    assert result.answer == told.answer
    assert result.reasoning == told.reasoning
    assert result.finish_reason == told.finish_reason == "end_turn"
    assert result.served_model == told.invoked_model == script.served_model
    theirs, ours = served
    assert told.usage == _without_reasoning(theirs.usage)
    assert result.usage == _without_reasoning(ours.usage)
    assert told.request_id.endswith("1")
    assert result.request_id == told.request_id[:-1] + "2"


def _without_reasoning(usage: Usage | None) -> Usage | None:
    """Bedrock counts reasoning in the output, but not separately."""
    if usage is None:
        return None
    return Usage(usage.input, usage.output, usage.cached_input, usage.cache_write)


@pytest.mark.parametrize("model", [MODEL, ARN])
async def test_a_model_is_asked_by_the_same_path_as_boto3_asks(model: str) -> None:
    with simulator(Script(first_token_seconds=0, token_gap_seconds=0)) as running:
        await asyncio.to_thread(ask_with_boto3, running.url, model)
        assert (await probed(running.url, model)).success
        theirs, ours = running.ledger
    assert ours.path == theirs.path
    assert ours.model == model


ERRORS = [
    (ErrorKind.BAD_REQUEST, "ValidationException", FailureReason.BAD_REQUEST),
    (ErrorKind.INVALID_KEY, "UnrecognizedClientException", FailureReason.AUTH),
    (ErrorKind.FORBIDDEN, "AccessDeniedException", FailureReason.AUTH),
    (ErrorKind.MODEL_NOT_FOUND, "ResourceNotFoundException", FailureReason.NOT_FOUND),
    (ErrorKind.RATE_LIMITED, "ThrottlingException", FailureReason.RATE_LIMITED),
    (ErrorKind.QUOTA, "ServiceQuotaExceededException", FailureReason.QUOTA),
    (ErrorKind.SERVER_ERROR, "InternalServerException", FailureReason.SERVER_ERROR),
    (ErrorKind.OVERLOADED, "ServiceUnavailableException", FailureReason.OVERLOADED),
    (ErrorKind.NOT_READY, "ModelNotReadyException", FailureReason.NOT_READY),
]


@pytest.mark.parametrize(("kind", "name", "reason"), ERRORS)
async def test_an_error_before_the_stream_has_the_name_that_boto3_raises(
    kind: ErrorKind, name: str, reason: FailureReason
) -> None:
    from botocore.exceptions import ClientError

    fault = ErrorResponse(Error(kind, "no", retry_after_seconds=7))
    with simulator(Script(fault=fault)) as running:
        with pytest.raises(ClientError) as caught:
            await asyncio.to_thread(ask_with_boto3, running.url)
        result = await probed(running.url)
    assert result.failure is not None
    assert result.failure.reason is reason
    assert result.failure.detail == f"{name}: no"
    assert result.retry_after_seconds == 7
    assert caught.value.response["Error"] == {"Code": name, "Message": "no"}
    assert result.status == caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(("kind", "name", "reason"), ERRORS)
async def test_an_error_within_the_stream_has_the_name_that_boto3_raises(
    kind: ErrorKind, name: str, reason: FailureReason
) -> None:
    from botocore.exceptions import EventStreamError

    fault = ErrorMidStream(Error(kind, "no"), after_tokens=3)
    with simulator(Script(first_token_seconds=0, token_gap_seconds=0, fault=fault)) as running:
        with pytest.raises(EventStreamError) as caught:
            await asyncio.to_thread(ask_with_boto3, running.url)
        result = await probed(running.url)
    assert result.failure is not None
    assert result.failure.reason is reason
    assert (result.status, result.answer) == (200, "1 2 3")
    theirs = caught.value.response["Error"]
    assert (theirs["Code"].lower(), theirs["Message"]) == (name.lower(), "no")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (MissingEndMarker(), FailureReason.TRUNCATED),
        (Disconnect(after_tokens=3, reset=True), FailureReason.TRUNCATED),
        (Disconnect(after_tokens=3, reset=False), FailureReason.TRUNCATED),
        (Garbage(after_tokens=3), FailureReason.PROTOCOL),
        (ContentFilter(after_tokens=3), FailureReason.CONTENT_FILTER),
        (EmptyAnswer(), FailureReason.EMPTY),
        (ErrorWithStatusOk(Error(ErrorKind.RATE_LIMITED)), FailureReason.RATE_LIMITED),
    ],
    ids=str,
)
async def test_each_fault_has_its_reason(fault: Fault, reason: FailureReason) -> None:
    with simulator(Script(first_token_seconds=0, token_gap_seconds=0, fault=fault)) as running:
        result = await probed(running.url)
    assert result.failure is not None
    assert result.failure.reason is reason


async def test_output_behind_the_metadata_is_no_part_of_the_answer() -> None:
    script = Script(first_token_seconds=0, token_gap_seconds=0, fault=DataAfterEnd())
    with simulator(script) as running:
        result = await probed(running.url)
    assert result.success
    assert result.answer == script.answer


async def test_a_model_that_is_being_loaded_is_not_ready() -> None:
    with simulator(Script(boot=Boot(60))) as running:
        result = await probed(running.url)
    assert result.failure is not None
    assert result.failure.reason is FailureReason.NOT_READY


@timed
async def test_times_are_those_of_the_script() -> None:
    script = Script(
        first_token_seconds=0.15,
        token_gap_seconds=0.02,
        ending_seconds=0.05,
        tokens_per_chunk=(1, 4, 8),
        preamble=2,
    )
    with simulator(script) as running:
        result = await probed(running.url)
    assert result.time_to_first_token_seconds == pytest.approx(0.15, abs=0.03)
    assert result.time_per_output_token_seconds == pytest.approx(0.02, rel=0.1)
    assert result.request_duration_seconds == pytest.approx(0.15 + 19 * 0.02 + 0.05, abs=0.06)


async def test_a_bearer_key_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEDROCK_KEY", "bearer-key-value")
    script = Script(first_token_seconds=0, token_gap_seconds=0)
    with simulator(script, api_key="bearer-key-value") as running:
        with_key = await probed(running.url, api_key={"env": "BEDROCK_KEY"})
        without = await probed(running.url)
    assert with_key.success
    assert without.failure is not None
    assert without.failure.reason is FailureReason.AUTH


@pytest.mark.parametrize("model", [MODEL, ARN, "with space+and%percent~(é)"])
async def test_the_request_as_it_arrives_has_the_signature_that_botocore_would_make(
    model: str,
) -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    with wire_server([response(403, b"")]) as server:
        await probed(server.url, model, region="eu-west-1", headers={"x-extra": "not signed"})
    (raw,) = server.requests
    head, _, body = raw.partition(b"\r\n\r\n")
    start, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    time = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - time).total_seconds()) < 60
    given = {name: headers[name] for name in signed if name not in ("host", "x-amz-date")}
    again = AWSRequest("POST", server.url + start.split()[1], given, data=body)
    keys = Credentials("AKIDEXAMPLE", "dummy-secret-key")
    with patch("botocore.auth.get_current_datetime", return_value=time):
        SigV4Auth(keys, "bedrock", "eu-west-1").add_auth(again)
    assert headers["authorization"] == again.headers["Authorization"]


async def test_no_secret_is_left_in_what_a_provider_echoes() -> None:
    body = b'{"message":"you signed with dummy-secret-key"}'
    with wire_server([response(403, body)]) as server:
        result = await probed(server.url)
    assert result.failure is not None
    assert result.failure.detail == "you signed with [secret]"
