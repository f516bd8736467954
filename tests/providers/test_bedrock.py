"""Bedrock's ConverseStream: bytes in, events out; calls in, requests out."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config.target import Target
from exporter.providers.asks import ChatAsk
from exporter.providers.base import (
    AwsCredentials,
    Call,
    Ended,
    Event,
    Failed,
    Finished,
    ModelServed,
    Output,
    OutputKind,
    ProtocolError,
    ResponseHead,
    UsageReported,
)
from exporter.providers.bedrock import Bedrock, public_base_url
from exporter.providers.framing.eventstream import encode
from exporter.providers.regions import BEDROCK_REGIONS
from exporter.result import Failure, FailureReason, Usage
from tests.providers.calls import chat_call
from tests.providers.golden import events_of, fixture

KEYS = AwsCredentials("AKIDEXAMPLE", "secret")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
USAGE = UsageReported(Usage(input=9, output=4))
END_TURN = Finished("end_turn")


def answer(text: str) -> Output:
    return Output(OutputKind.ANSWER, text)


def failed(reason: FailureReason, detail: str) -> Failed:
    return Failed(Failure(reason, detail))


ONE = answer("1 2")
WHOLE: list[Event] = [ONE, answer(" 3 4"), END_TURN, USAGE]

GOLDEN: dict[str, list[Event]] = {
    "whole": [*WHOLE, Ended()],
    "reasoning": [
        Output(OutputKind.REASONING, "hm"),
        Output(OutputKind.REASONING, ", so"),
        ONE,
        END_TURN,
        USAGE,
        Ended(),
    ],
    "tool_use": [
        Output(OutputKind.TOOL, '{"a":'),
        Output(OutputKind.TOOL, "1}"),
        Finished("tool_use"),
        USAGE,
        Ended(),
    ],
    "empty_and_unknown_deltas": [ONE, END_TURN, USAGE, Ended()],
    "multibyte": [answer("é世界🙂"), END_TURN, USAGE, Ended()],
    "cache_apart_from_input": [
        ONE,
        END_TURN,
        UsageReported(Usage(input=1129, output=4, cached_input=1000, cache_write=120)),
        Ended(),
    ],
    "cache_within_input": [
        ONE,
        END_TURN,
        UsageReported(Usage(input=1129, output=4, cached_input=1000)),
        Ended(),
    ],
    "prompt_router": [ONE, END_TURN, ModelServed("amazon.nova-lite-v1:0"), USAGE, Ended()],
    "guardrail": [
        ONE,
        Finished("guardrail_intervened"),
        failed(FailureReason.CONTENT_FILTER, "the stream stopped with 'guardrail_intervened'"),
        USAGE,
        Ended(),
    ],
    "content_filtered": [
        ONE,
        Finished("content_filtered"),
        failed(FailureReason.CONTENT_FILTER, "the stream stopped with 'content_filtered'"),
        USAGE,
        Ended(),
    ],
    "malformed_output": [
        ONE,
        Finished("malformed_model_output"),
        failed(FailureReason.SERVER_ERROR, "the stream stopped with 'malformed_model_output'"),
        USAGE,
        Ended(),
    ],
    "without_metadata": [ONE, END_TURN, Ended()],  # a complete HTTP message without usage
    "cut_inside_metadata": [ONE, answer(" 3 4"), END_TURN],
    "cut_behind_metadata": WHOLE,
    "throttled_midway": [
        ONE,
        failed(FailureReason.RATE_LIMITED, "throttlingException: Too many tokens, please wait."),
    ],
    "error_of_the_model": [failed(FailureReason.SERVER_ERROR, "modelStreamErrorException: CUDA")],
    "unmodelled_error": [failed(FailureReason.SERVER_ERROR, "InternalFailure: oops")],
    "error_behind_metadata": [
        *WHOLE,
        failed(FailureReason.SERVER_ERROR, "internalServerException: late"),
        Ended(),
    ],
    "output_behind_metadata": [*WHOLE, Ended()],
    "unknown_event_with_every_header_type": [*WHOLE, Ended()],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes_mean_these_events(name: str) -> None:
    assert events_of(Bedrock(), fixture("bedrock", name)) == GOLDEN[name]


def test_the_end_is_not_said_before_the_body_is_over() -> None:
    decoder = Bedrock().decoder()
    assert Ended() not in decoder.feed(fixture("bedrock", "whole"))
    assert decoder.finish() == [Ended()]


def test_a_damaged_message_is_a_protocol_error() -> None:
    data = bytearray(fixture("bedrock", "whole"))
    data[-20] ^= 1
    with pytest.raises(ProtocolError, match="CRC"):
        events_of(Bedrock(), bytes(data))


def test_an_event_of_another_shape_is_a_protocol_error() -> None:
    data = encode({":message-type": "event", ":event-type": "metadata"}, b'{"usage": 7}')
    with pytest.raises(ProtocolError, match="metadata event"):
        events_of(Bedrock(), data)


HEADER = st.sampled_from([":message-type", ":event-type", ":exception-type", ":error-code"])
WORD = st.sampled_from(
    ["event", "exception", "error", "contentBlockDelta", "messageStop", "metadata"]
) | st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["delta", "text", "usage", "inputTokens", "stopReason", "trace", "message"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
PAYLOAD = JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.dictionaries(HEADER, WORD, max_size=3), PAYLOAD), max_size=3))
def test_any_content_in_sound_messages_gives_events_or_a_protocol_error(
    messages: list[tuple[dict[str, str], bytes]],
) -> None:
    with suppress(ProtocolError):
        events_of(Bedrock(), b"".join(encode(*message) for message in messages))


EXCEPTIONS = [
    ("AccessDeniedException", 403, FailureReason.AUTH),
    ("UnrecognizedClientException", 403, FailureReason.AUTH),
    ("ExpiredTokenException", 400, FailureReason.AUTH),
    ("ValidationException", 400, FailureReason.BAD_REQUEST),
    ("ResourceNotFoundException", 404, FailureReason.NOT_FOUND),
    ("FTUFormNotFilled", 404, FailureReason.NOT_FOUND),
    ("ThrottlingException", 429, FailureReason.RATE_LIMITED),
    ("ServiceQuotaExceededException", 400, FailureReason.QUOTA),
    ("ModelNotReadyException", 429, FailureReason.NOT_READY),
    ("ModelTimeoutException", 408, FailureReason.SERVER_ERROR),
    ("ModelErrorException", 424, FailureReason.SERVER_ERROR),
    ("ModelStreamErrorException", 424, FailureReason.SERVER_ERROR),
    ("InternalServerException", 500, FailureReason.SERVER_ERROR),
    ("ServiceUnavailableException", 503, FailureReason.OVERLOADED),
    ("SomethingNewException", 503, FailureReason.OVERLOADED),
]


@pytest.mark.parametrize("suffix", ["", ":http://internal.amazon.com/coral/com.amazon.bedrock/"])
@pytest.mark.parametrize(("name", "status", "reason"), EXCEPTIONS)
def test_an_error_before_the_stream_has_the_reason_that_its_header_names(
    name: str, status: int, reason: FailureReason, suffix: str
) -> None:
    head = ResponseHead(status, {"x-amzn-errortype": name + suffix})
    failure = Bedrock().failure(head, b'{"message":"no"}')
    assert failure == Failure(reason, f"{name}: no", status)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("internalServerException", FailureReason.SERVER_ERROR),
        ("modelStreamErrorException", FailureReason.SERVER_ERROR),
        ("validationException", FailureReason.BAD_REQUEST),
        ("throttlingException", FailureReason.RATE_LIMITED),
        ("serviceUnavailableException", FailureReason.OVERLOADED),
        ("modelTimeoutException", FailureReason.SERVER_ERROR),
        ("modelNotReadyException", FailureReason.NOT_READY),
        ("somethingNewException", FailureReason.SERVER_ERROR),
    ],
)
def test_an_exception_within_the_stream_has_the_same_reason(
    name: str, reason: FailureReason
) -> None:
    headers = {":message-type": "exception", ":exception-type": name}
    data = encode(headers, b'{"message":"no"}')
    assert events_of(Bedrock(), data) == [failed(reason, f"{name}: no")]


@pytest.mark.parametrize(
    ("status", "body", "reason", "detail"),
    [
        (403, b'{"Message":"not authorized"}', FailureReason.AUTH, "not authorized"),
        (429, b"<html>slow down</html>", FailureReason.RATE_LIMITED, "<html>slow down</html>"),
        (502, b"", FailureReason.SERVER_ERROR, "the response has no body"),
        (200, b'{"message":"no"}', FailureReason.SERVER_ERROR, "no"),
    ],
)
def test_an_error_without_the_header_goes_by_its_status(
    status: int, body: bytes, reason: FailureReason, detail: str
) -> None:
    assert Bedrock().failure(ResponseHead(status, {}), body) == Failure(reason, detail, status)


def test_a_sound_response_is_no_failure() -> None:
    assert Bedrock().failure(ResponseHead(200, {}), fixture("bedrock", "whole")) is None


def test_header_facts() -> None:
    facts = Bedrock().header_facts(
        ResponseHead(429, {"x-amzn-requestid": "7f3e", "retry-after": "3"})
    )
    assert (facts.request_id, facts.retry_after_seconds, facts.rate_limits) == ("7f3e", 3, ())


def call(**fields: object) -> Call[ChatAsk]:
    given = {
        "model": "m",
        "base_url": "https://bedrock-runtime.us-west-2.amazonaws.com",
        "aws": KEYS,
        "now": NOW,
        **fields,
    }
    return chat_call(**given)


def test_the_request_asks_for_a_stream_of_bounded_length() -> None:
    request = Bedrock().request(call(extra_body={"serviceTier": {"type": "flex"}}))
    assert request.url == "https://bedrock-runtime.us-west-2.amazonaws.com/model/m/converse-stream"
    assert json.loads(request.body) == {
        "messages": [{"role": "user", "content": [{"text": "ping"}]}],
        "inferenceConfig": {"maxTokens": 64},
        "serviceTier": {"type": "flex"},
    }


def test_model_ids_and_arns_are_one_path_segment() -> None:
    arn = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"
    path = Bedrock().request(call(model=arn)).url.split("/model/")[1]
    assert path == (
        "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2F"
        "eu.amazon.nova-lite-v1%3A0/converse-stream"
    )


def test_an_api_key_is_a_bearer_token_and_nothing_is_signed() -> None:
    headers = Bedrock().request(call(api_key="k")).headers
    assert headers == {"content-type": "application/json", "authorization": "Bearer k"}


@pytest.mark.parametrize(
    ("fields", "region"),
    [
        ({}, "us-west-2"),
        ({"region": "eu-west-1"}, "eu-west-1"),
        ({"base_url": "https://bedrock-runtime-fips.us-east-2.amazonaws.com"}, "us-east-2"),
        ({"base_url": "https://bedrock-runtime.eu-south-2.api.aws"}, "eu-south-2"),
        (
            {"base_url": "https://vpce-1.bedrock-runtime.ap-south-1.vpce.amazonaws.com"},
            "ap-south-1",
        ),
        ({"base_url": "http://127.0.0.1:8080"}, "us-east-1"),
        ({"base_url": "http://127.0.0.1:8080", "region": "eu-west-1"}, "eu-west-1"),
    ],
)
def test_the_signature_is_for_the_region_configured_or_named_by_the_host(
    fields: dict[str, object], region: str
) -> None:
    authorization = Bedrock().request(call(**fields)).headers["authorization"]
    assert f"AKIDEXAMPLE/20260102/{region}/bedrock/aws4_request" in authorization


def test_a_target_needs_a_region_or_a_base_url() -> None:
    with pytest.raises(ValueError, match="region must be set; use one of us-east-1"):
        Target(name="t", provider="bedrock", model="m")
    with pytest.raises(ValueError, match="no region 'us-east-9'; use one of us-east-1"):
        Target(name="t", provider="bedrock", model="m", region="us-east-9")
    own = Target(name="t", provider="bedrock", model="m", base_url="https://bedrock.example.com")
    assert own.endpoint == "https://bedrock.example.com"


@pytest.mark.parametrize("region", BEDROCK_REGIONS)
def test_a_region_has_the_host_that_botocore_knows(region: str) -> None:
    import boto3

    client = boto3.client(
        "bedrock-runtime", region, aws_access_key_id="test", aws_secret_access_key="test"
    )
    assert public_base_url(region) == client.meta.endpoint_url
