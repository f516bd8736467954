"""How a probe interprets exact bytes at exact times: every definition and every reason."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from exporter.config.plan import Plan
from exporter.config.target import Target
from exporter.kinds import Chat
from exporter.net.transport import Connections
from exporter.probing.attempt import MAX_BODY_BYTES
from exporter.probing.probe import run_probe
from exporter.result import FailureReason, ProbeResult
from tests.limits import PATIENT, limits_for
from tests.process import free_port
from tests.waiting import timed, until
from tests.wire import LAST_CHUNK, STREAM_HEAD, Act, Step, WireServer, chunk, response, wire_server


def event(**fields: Any) -> bytes:
    """Return one chat.completion.chunk in one HTTP chunk."""
    return chunk(b"data: " + json.dumps(fields).encode() + b"\n\n")


def delta(**fields: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": fields}])


def usage(prompt: int, completion: int, reasoning: int = 0) -> bytes:
    details = {"reasoning_tokens": reasoning}
    counts = {"prompt_tokens": prompt, "completion_tokens": completion}
    return event(choices=[], usage={**counts, "completion_tokens_details": details})


ROLE = delta(role="assistant", content="")
FINISH = event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
DONE = chunk(b"data: [DONE]\n\n") + LAST_CHUNK
ENDING = FINISH + usage(9, 3) + DONE


def plan_for(server: WireServer, **probe: Any) -> Plan:
    target = Target(name="t", provider="openai", model="m", base_url=f"{server.url}/v1")
    return Plan(
        target=target,
        probe_name="p",
        probe=Chat.model_validate({"prompt": "hello", **probe}),
        interval_seconds=60,
        timeouts=PATIENT,
        fresh_connection=False,
    )


async def ask(plan: Plan) -> ProbeResult:
    connections = Connections(plan.target)
    try:
        return await run_probe(plan, "hello", connections)
    finally:
        await connections.retire()


async def result_of(*script: Step, **probe: Any) -> ProbeResult:
    with wire_server(script) as server:
        return await ask(plan_for(server, **probe))


def reason(result: ProbeResult) -> FailureReason | None:
    return result.failure.reason if result.failure else None


def message(result: ProbeResult) -> str:
    return result.failure.message if result.failure else ""


async def test_a_whole_answer_is_a_success_with_all_its_facts() -> None:
    named = event(id="c1", model="m-2026", choices=[{"delta": {"content": "1 2 3"}}])
    result = await result_of(STREAM_HEAD, ROLE, named, ENDING)
    assert result.success
    assert result.answer == "1 2 3"
    assert result.usage is not None
    assert (result.usage.input, result.usage.output) == (9, 3)
    assert result.finish_reason == "stop"
    assert result.served_model == "m-2026"
    assert result.request_id == "req_1"
    assert result.status == 200


async def test_the_request_starts_its_prompt_with_a_new_nonce_each_time() -> None:
    with wire_server([STREAM_HEAD, delta(content="x"), ENDING]) as server:
        plan = plan_for(server)
        for _ in range(2):
            await ask(plan)
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    prompts = [body["messages"][0]["content"] for body in bodies]
    assert all(prompt.endswith("hello") for prompt in prompts)
    assert prompts[0][:16] != prompts[1][:16]


async def test_the_request_asks_for_no_compression_and_is_not_repeated() -> None:
    with wire_server([response(500, b"")]) as server:
        await ask(plan_for(server))
    assert len(server.requests) == 1
    assert b"accept-encoding: identity" in server.requests[0].lower()


@timed
async def test_preambles_are_not_the_first_token() -> None:
    preamble = chunk(b": keep-alive\n\n")
    empty = delta(content="")
    no_choices = event(choices=[], prompt_filter_results=[])
    result = await result_of(
        STREAM_HEAD, preamble, no_choices, ROLE, empty, 0.15, delta(content="1"), ENDING
    )
    assert result.time_to_first_token_seconds == pytest.approx(0.15, abs=0.05)


@timed
async def test_a_first_token_in_the_same_read_as_comment_and_role_counts_from_that_read() -> None:
    together = chunk(b": hi\n\n") + ROLE + delta(content="1")
    result = await result_of(0.1, STREAM_HEAD + together, 0.2, delta(content="2"), ENDING)
    assert result.time_to_first_token_seconds == pytest.approx(0.1, abs=0.05)
    assert result.timeline.headers == result.timeline.first_token


@timed
async def test_reasoning_is_a_first_token_but_no_first_answer_token() -> None:
    result = await result_of(
        STREAM_HEAD, 0.05, delta(reasoning_content="hm"), 0.1, delta(content="1"), ENDING
    )
    assert result.time_to_first_token_seconds == pytest.approx(0.05, abs=0.04)
    assert result.time_to_first_answer_token_seconds == pytest.approx(0.15, abs=0.05)
    assert result.reasoning == "hm"


@timed
async def test_time_per_token_comes_from_usage_not_from_chunks() -> None:
    chunks: list[Step] = [STREAM_HEAD, ROLE, delta(content="1")]
    for text in ("2 3 4 5", "6 7", "8 9 10 11 12"):
        chunks += [0.1, delta(content=text)]
    result = await result_of(*chunks, FINISH, usage(9, 31), DONE)
    assert result.time_per_output_token_seconds == pytest.approx(0.3 / 30, rel=0.2)
    assert result.output_tokens_per_second == pytest.approx(100, rel=0.2)
    assert len(result.inter_chunk_latencies_seconds) == 3


@timed
async def test_silent_reasoning_does_not_make_the_stream_look_faster() -> None:
    result = await result_of(
        STREAM_HEAD, delta(content="1"), 0.2, delta(content="2"), FINISH, usage(9, 1003, 1000), DONE
    )
    assert result.time_per_output_token_seconds == pytest.approx(0.1, rel=0.2)


@timed
async def test_the_longest_gap_is_the_stall() -> None:
    parts: list[Step] = [STREAM_HEAD, delta(content="1"), 0.02, delta(content="2"), 0.25]
    result = await result_of(*parts, delta(content="3"), 0.02, ENDING)
    assert result.max_stall_seconds == pytest.approx(0.25, abs=0.05)


async def test_output_in_one_read_has_no_speed() -> None:
    result = await result_of(STREAM_HEAD + delta(content="1 2") + delta(content="3") + ENDING)
    assert result.success
    assert result.time_per_output_token_seconds is None
    assert result.output_tokens_per_second is None


async def test_a_cut_inside_a_character_changes_nothing() -> None:
    data = chunk('data: {"choices":[{"delta":{"content":"naïve 漢字"}}]}\n\n'.encode())
    middle = data.index("漢".encode()) + 1
    result = await result_of(STREAM_HEAD, data[:middle], 0.02, data[middle:], ENDING)
    assert result.answer == "naïve 漢字"


async def test_the_duration_ends_with_the_end_marker_not_with_the_body() -> None:
    marker = chunk(b"data: [DONE]\n\n")
    with wire_server([STREAM_HEAD, delta(content="1"), FINISH + marker, 0.3, LAST_CHUNK]) as server:
        result = await ask(plan_for(server))
    assert result.success
    assert result.timeline.end is not None
    later = server.sent_at[3:]  # the probe doesn't wait long for it
    assert all(result.timeline.end < at for at in later)


async def test_data_after_the_end_marker_is_passed_over() -> None:
    late = delta(content="late")
    result = await result_of(STREAM_HEAD, delta(content="1"), chunk(b"data: [DONE]\n\n"), late)
    assert result.answer == "1"


async def test_nonsense_in_the_same_read_as_the_end_marker_is_passed_over() -> None:
    together = chunk(b"data: [DONE]\n\ndata: {nonsense\n\n")
    result = await result_of(STREAM_HEAD, delta(content="1"), FINISH + together + LAST_CHUNK)
    assert result.success


ERROR = chunk(b'data: {"error":{"message":"no room","code":"server_is_overloaded"}}\n\n')
TOKEN = delta(content="1")
PINGS: list[Step] = [chunk(b": ping\n\n"), 0.05] * 20


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([STREAM_HEAD, TOKEN, LAST_CHUNK], FailureReason.TRUNCATED),
        ([STREAM_HEAD, TOKEN, Act.CLOSE], FailureReason.TRUNCATED),
        ([STREAM_HEAD, TOKEN, Act.RESET], FailureReason.TRUNCATED),
        ([STREAM_HEAD, LAST_CHUNK], FailureReason.TRUNCATED),
        ([Act.CLOSE], FailureReason.CONNECT),
        ([Act.RESET], FailureReason.CONNECT),
        ([b"SSH-2.0-OpenSSH_9.2\r\n\r\n"], FailureReason.PROTOCOL),
        ([STREAM_HEAD, b"not a chunk\r\n"], FailureReason.PROTOCOL),
        ([STREAM_HEAD, chunk(b"data: {oops\n\n")], FailureReason.PROTOCOL),
        ([STREAM_HEAD, chunk(b'data: {"choices":7}\n\n')], FailureReason.PROTOCOL),
        ([STREAM_HEAD, TOKEN, ERROR, DONE], FailureReason.OVERLOADED),
        ([STREAM_HEAD, TOKEN, ERROR, Act.CLOSE], FailureReason.OVERLOADED),
        ([STREAM_HEAD, ROLE, FINISH, DONE], FailureReason.EMPTY),
        ([STREAM_HEAD, delta(refusal="I won't"), FINISH, DONE], FailureReason.REFUSAL),
        (
            [STREAM_HEAD, event(choices=[{"delta": {}, "finish_reason": "content_filter"}]), DONE],
            FailureReason.CONTENT_FILTER,
        ),
        (
            [response(200, b'{"error":{"message":"x","code":"invalid_api_key"}}')],
            FailureReason.AUTH,
        ),
        ([response(200, b"", b"content-encoding: gzip")], FailureReason.PROTOCOL),
        ([response(401, b'{"error":"Unauthorized"}')], FailureReason.AUTH),
        ([response(302, b"", b"location: http://127.0.0.1/")], FailureReason.UNEXPECTED_STATUS),
        ([response(204, b"")], FailureReason.UNEXPECTED_STATUS),
        ([response(418, b"teapot")], FailureReason.UNEXPECTED_STATUS),
        ([response(502, b"<html>Bad Gateway</html>")], FailureReason.SERVER_ERROR),
    ],
)
async def test_each_way_to_fail_has_its_reason(
    script: Sequence[Step], expected: FailureReason
) -> None:
    with wire_server(script) as server:
        result = await ask(plan_for(server))
    assert reason(result) is expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([Act.HANG], FailureReason.TIMEOUT_FIRST_TOKEN),
        ([STREAM_HEAD, ROLE, Act.HANG], FailureReason.TIMEOUT_FIRST_TOKEN),
        ([STREAM_HEAD, *PINGS], FailureReason.TIMEOUT_FIRST_TOKEN),
        ([STREAM_HEAD, TOKEN, Act.HANG], FailureReason.TIMEOUT_STALL),
        ([STREAM_HEAD, TOKEN, *PINGS], FailureReason.TIMEOUT_STALL),
        ([STREAM_HEAD, *[TOKEN, 0.05] * 40], FailureReason.TIMEOUT_TOTAL),
        ([b"HTTP/1.1 200"], FailureReason.TIMEOUT_TOTAL),
    ],
)
async def test_each_timeout_is_told_apart(script: Sequence[Step], expected: FailureReason) -> None:
    with wire_server(script) as server:
        result = await ask(replace(plan_for(server), timeouts=limits_for(expected)))
    assert reason(result) is expected


async def test_a_response_without_end_is_cut_at_the_size_limit() -> None:
    flood = chunk(b": " + b"x" * 200_000 + b"\n")
    result = await result_of(STREAM_HEAD, *[flood] * (MAX_BODY_BYTES // 200_000 + 2))
    assert reason(result) is FailureReason.TOO_LARGE


async def test_one_event_without_end_is_too_large() -> None:
    result = await result_of(STREAM_HEAD, *[chunk(b"x" * 100_000)] * 12)
    assert reason(result) is FailureReason.TOO_LARGE


@pytest.mark.parametrize(
    ("expect", "answer", "right"),
    [
        ({"regex": r"\b20\b"}, "18 19 20", True),
        ({"regex": r"\b20\b"}, "18 19 200", False),
        ({"contains": "Paris"}, "It is Paris.", True),
        ({"contains": "Paris"}, "It is paris.", False),
        ({"json": True}, '{"a": 1}', True),
        ({"json": True}, "a: 1", False),
        ({"json": {"a": 1}}, '{"a": 1, "b": 2}', True),
        ({"json": {"a": 1}}, '{"a": 2}', False),
        ({"json": {"a": 1}}, "[1]", False),
    ],
)
async def test_the_answer_is_held_against_what_was_expected(
    expect: dict[str, Any], answer: str, right: bool
) -> None:
    result = await result_of(STREAM_HEAD, delta(content=answer), ENDING, expect=expect)
    assert reason(result) is (None if right else FailureReason.WRONG_ANSWER)


async def test_a_failed_probe_still_tells_what_it_used() -> None:
    result = await result_of(STREAM_HEAD, TOKEN, ENDING, expect={"contains": "never"})
    assert result.usage is not None
    assert result.usage.output == 3


async def test_nobody_listening_is_a_connect_failure() -> None:
    nobody = WireServer(port=free_port())
    result = await ask(plan_for(nobody))
    assert reason(result) is FailureReason.CONNECT
    where = nobody.url.removeprefix("http://")
    assert message(result) == f"cannot connect to {where}: connection refused"


@pytest.mark.parametrize(
    "script", [(Act.RESET,), (STREAM_HEAD + delta(content="one"), 0.05, Act.RESET)]
)
async def test_a_reset_is_described_in_words(script: Sequence[Step]) -> None:
    assert message(await result_of(*script)) == "connection reset by peer"


async def test_a_name_that_does_not_exist_is_a_dns_failure() -> None:
    with wire_server([]) as server:
        plan = plan_for(server)
    target = plan.target.model_copy(update={"base_url": "http://no-such-host.invalid/v1"})
    result = await ask(replace(plan, target=target))
    assert reason(result) is FailureReason.DNS
    assert message(result).startswith("no-such-host.invalid cannot be resolved: ")
    assert "Errno" not in message(result)


async def test_a_missing_key_is_an_auth_failure_that_names_the_variable() -> None:
    with wire_server([]) as server:
        plan = plan_for(server)
    target = Target.model_validate(
        {**plan.target.model_dump(), "api_key": {"env": "NO_SUCH_VARIABLE"}}
    )
    result = await ask(replace(plan, target=target))
    assert reason(result) is FailureReason.AUTH
    assert result.failure is not None
    assert "NO_SUCH_VARIABLE" in result.failure.detail


async def test_a_key_that_the_provider_echoes_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-very-secret-value")
    body = b'{"error":{"message":"wrong key sk-very-secret-value","code":"invalid_api_key"}}'
    with wire_server([response(401, body)]) as server:
        plan = plan_for(server)
        target = Target.model_validate({**plan.target.model_dump(), "api_key": {"env": "TEST_KEY"}})
        result = await ask(replace(plan, target=target))
    assert b"sk-very-secret-value" in server.requests[0]
    assert "sk-very-secret-value" not in repr(result)
    assert result.failure is not None
    assert "[secret]" in result.failure.detail


async def test_the_connection_is_kept_for_the_next_probe() -> None:
    with wire_server([STREAM_HEAD, TOKEN, ENDING]) as server:
        plan = plan_for(server)
        connections = Connections(plan.target)
        first, second = [await run_probe(plan, "x", connections) for _ in range(2)]
        await connections.retire()
    assert server.connections == 1
    assert first.connection is not None
    assert second.connection is None


async def test_a_fresh_connection_is_made_for_every_probe_if_wanted() -> None:
    with wire_server([STREAM_HEAD, TOKEN, ENDING]) as server:
        plan = replace(plan_for(server), fresh_connection=True)
        connections = Connections(plan.target)
        results = [await run_probe(plan, "x", connections) for _ in range(2)]
    assert server.connections == 2
    assert all(result.connection for result in results)


async def test_connecting_is_no_part_of_the_time_to_first_token() -> None:
    with wire_server([STREAM_HEAD, TOKEN, ENDING]) as server:
        result = await ask(plan_for(server))
    assert result.connection is not None
    assert result.connection.tcp_seconds is not None
    assert result.timeline.sent is not None
    connecting = (result.timeline.sent - result.timeline.start) / 1e9
    assert connecting >= result.connection.tcp_seconds


@timed
async def test_a_blocked_event_loop_does_not_make_the_token_late() -> None:
    with wire_server([0.1, STREAM_HEAD + ROLE, TOKEN, 0.5, ENDING]) as server:
        probe = asyncio.create_task(ask(plan_for(server)))
        await until(lambda: server.requests)
        time.sleep(0.3)  # noqa: ASYNC251 - the token arrives while nobody reads
        result = await probe
    token_sent_at = server.sent_at[1]
    assert result.timeline.first_token is not None
    late = (result.timeline.first_token - token_sent_at) / 1e9
    assert result.lag_seconds is not None, "this platform gives no receive times"
    assert result.lag_seconds > 0.15
    assert -0.01 < late < 0.02


async def test_own_headers_replace_those_of_the_dialect_whatever_their_case() -> None:
    with wire_server([STREAM_HEAD, TOKEN, ENDING]) as server:
        plan = plan_for(server)
        headers = {"Accept": "text/plain", "X-Team": "search"}
        target = Target.model_validate({**plan.target.model_dump(), "headers": headers})
        await ask(replace(plan, target=target))
    sent = server.requests[0].lower()
    assert sent.count(b"\r\naccept:") == 1
    assert b"accept: text/plain" in sent
    assert b"x-team: search" in sent
