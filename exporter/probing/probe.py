"""One probe: a dialect and a transport become a ``ProbeResult``.

Errors are values here. Whatever happens on the wire, in the provider or in this code, the
outcome is a result with a reason, never an exception.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import structlog

from exporter import USER_AGENT
from exporter.config.plan import Plan
from exporter.net.exchange import Exchange
from exporter.net.failure import NetworkFailure
from exporter.net.transport import EXCHANGE, Body, Connections, Part
from exporter.probing.deadlines import Deadlines
from exporter.probing.record import Mark, StreamRecord
from exporter.probing.unlike import KEPT_BYTES, is_answer_so_far, what_came, where_to
from exporter.providers.base import (
    Call,
    HeaderFacts,
    OutputKind,
    ProtocolError,
    ResponseHead,
)
from exporter.providers.headers import delay_in_text, is_identity, longest
from exporter.result import Failure, FailureReason, ProbeResult, Timeline, Usage
from exporter.settings.presentable import MAX_DETAIL_CHARACTERS, presentable
from exporter.settings.prompts import NONCE_BYTES
from exporter.settings.secret import SecretError, redact

MAX_BODY_BYTES = 16 << 20
_MAX_WORD_CHARACTERS = 256
_MAX_OUTPUT_CHARACTERS = 1 << 18
_DRAIN_SECONDS = 1.0
_WAITING = frozenset(
    {
        FailureReason.RATE_LIMITED,
        FailureReason.QUOTA,
        FailureReason.OVERLOADED,
        FailureReason.NOT_READY,
    }
)
"""Failures that pass by themselves."""
_HEADERS = {
    "user-agent": USER_AGENT,
    "accept-encoding": "identity",  # compression holds tokens back until a block is full
}

log = structlog.get_logger(__name__)


async def run_probe(plan: Plan, text: str, connections: Connections) -> ProbeResult:
    """Ask the target once and tell what happened.

    :param text: the one of ``plan.probe.texts`` whose turn it is. The probe gets a fresh nonce, so
        that no cache along the way can answer it.
    """
    attempt = _Attempt(plan)
    failure = await attempt.carry_out(text, connections)
    return attempt.result(failure)


class _Attempt:
    """The state of one probe while it is under way."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._dialect = plan.dialect
        self._start = time.monotonic_ns()
        self._record = StreamRecord()
        self._deadlines = Deadlines(plan.timeouts)
        self._exchange = Exchange(on_sent=self._deadlines.sent)
        self._head: ResponseHead | None = None
        self._facts = HeaderFacts()
        self._body_size = 0
        self._body_prefix = bytearray()

    async def carry_out(self, text: str, connections: Connections) -> Failure | None:
        """Run the probe to its end; why it failed, if it did."""
        try:
            problem = await self._problem(text, connections)
            # What the provider itself said of a failure is more exact than how it then broke off.
            failure = self._record.failure or self._rejection() or problem or self._judge()
            return failure and self._explained(failure)
        except Exception as error:
            log.exception("probe crashed", target=self._plan.target.name)
            return Failure(FailureReason.INTERNAL, f"{type(error).__name__}: {error}")

    async def _problem(self, text: str, connections: Connections) -> Failure | None:
        try:
            async with self._deadlines:
                request = await self._request(text)
                async with connections.transport(fresh=self._plan.fresh_connection) as transport:
                    await self._send(request, transport)
        except TimeoutError:
            return self._deadlines.failure()
        except (NetworkFailure, ProtocolError) as error:
            return Failure(error.reason, str(error))
        except SecretError as error:
            return Failure(FailureReason.AUTH, str(error))
        return None

    async def _request(self, text: str) -> httpx.Request:
        target = self._plan.target
        call = Call(
            model=target.model,
            ask=self._plan.probe.ask(text, secrets.token_hex(NONCE_BYTES)),
            base_url=target.endpoint,
            api_key=target.api_key.read() if target.api_key else None,
            region=target.region,
            api_version=target.api_version,
            now=datetime.now(UTC),
            extra_body=target.extra_body,
        )
        request = self._dialect.request(await target.row.credentials.authorize(call))
        headers = httpx.Headers(_HEADERS)
        headers.update(request.headers)
        headers.update(target.header_values())
        return httpx.Request(
            request.method,
            request.url,
            headers=headers,
            content=request.body,
            extensions={EXCHANGE: self._exchange},
        )

    async def _send(self, request: httpx.Request, transport: httpx.AsyncBaseTransport) -> None:
        response = await transport.handle_async_request(request)
        try:
            headers = dict(response.headers.items())
            self._head = ResponseHead(response.status_code, headers, datetime.now(UTC))
            self._facts = self._dialect.header_facts(self._head)
            await self._read(response)
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response) -> None:
        if not is_identity(response.headers.get("content-encoding", "")):
            raise ProtocolError("the response is compressed although identity was asked for")
        async with aclosing(Body.of(response).parts()) as body:
            if response.status_code == httpx.codes.OK:
                await self._read_stream(body, response)
            else:
                await self._read_error(body)

    async def _read_stream(self, body: AsyncIterator[Part], response: httpx.Response) -> None:
        decoder = self._dialect.decoder()
        async for data, arrival in body:
            self._keep(data)
            if self._record.take(decoder.feed(data), arrival):
                self._deadlines.output()
            if self._record.output_characters > _MAX_OUTPUT_CHARACTERS:
                raise _too_large("output", _MAX_OUTPUT_CHARACTERS, "characters")
            if self._record.end is not None:
                self._deadlines.ended()
                await self._drain(body)
                return
        # Without a length of its own a body that was cut off looks like one that is over.
        whole = bool({"content-length", "transfer-encoding"} & response.headers.keys())
        self._record.take(decoder.finish(whole=whole), self._exchange.latest_arrival())

    async def _read_error(self, body: AsyncIterator[Part]) -> None:
        async for data, _ in body:
            self._keep(data)
            if self._body_size >= KEPT_BYTES:
                return

    async def _drain(self, body: AsyncIterator[Part]) -> None:
        """Read what is left after the end marker: only a connection whose response was read to
        its end can serve the next probe. The result is fixed by now."""
        with suppress(TimeoutError, NetworkFailure, ProtocolError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                async for data, _ in body:
                    self._keep(data)

    def _keep(self, data: bytes) -> None:
        self._body_size += len(data)
        if self._body_size > MAX_BODY_BYTES:
            raise _too_large("response", MAX_BODY_BYTES, "bytes")
        room = KEPT_BYTES - len(self._body_prefix)
        if room > 0 and not self._record.heard:
            self._body_prefix += data[:room]

    def _rejection(self) -> Failure | None:
        """What a response that is no stream says, be it whole or not."""
        if self._head and (self._head.status != httpx.codes.OK or not self._record.heard):
            return self._dialect.failure(self._head, bytes(self._body_prefix))
        return None

    def _judge(self) -> Failure | None:
        """The failure in a response that came to its end."""
        record = self._record
        if record.end is None:
            return Failure(FailureReason.TRUNCATED, record.missing_end)
        return self._plan.probe.judge(record, self._plan.target.model)

    def _explained(self, failure: Failure) -> Failure:
        """The failure, with what came where that was no answer."""
        if self._head is None:
            return failure
        if location := where_to(self._head):
            detail = f"redirects are not followed: this one leads to {location}"
            return replace(failure, detail=f"{detail}; {failure.detail}")
        if failure.reason not in (FailureReason.TRUNCATED, FailureReason.PROTOCOL):
            return failure
        if self._record.heard or self._head.status != httpx.codes.OK:
            return failure
        body = bytes(self._body_prefix)
        detail = f"{failure.detail}; {what_came(self._head, body)}"
        if is_answer_so_far(body):
            return replace(failure, detail=detail)
        return replace(failure, reason=FailureReason.PROTOCOL, detail=f"no answer: {detail}")

    def result(self, failure: Failure | None) -> ProbeResult:
        record, exchange = self._record, self._exchange
        return ProbeResult(
            target=self._plan.target.name,
            probe=self._plan.probe_name,
            finished_at=time.time(),
            timeline=self._timeline(),
            failure=_told(failure, self._head) if failure else None,
            usage=self._usage,
            pace_known=record.pace_known(self._usage),
            connection=exchange.connection,
            answer=redact(record.text(OutputKind.ANSWER)),
            reasoning=redact(record.text(OutputKind.REASONING)),
            finish_reason=_word(record.finish_reason),
            served_model=_word(record.served_model),
            request_id=_word(self._facts.request_id or record.request_id),
            model_load_seconds=record.model_load_seconds,
            status=self._head.status if self._head else None,
            rate_limits=self._facts.rate_limits,
            retry_after_seconds=self._retry_after_seconds(failure),
            certificate_expires_at=exchange.certificate_expires_at,
        )

    @property
    def _usage(self) -> Usage | None:
        return self._record.usage or self._facts.usage

    def _retry_after_seconds(self, failure: Failure | None) -> float | None:
        """The longest that is said, in the headers, in the error or in its text."""
        if failure is None:
            return self._facts.retry_after_seconds
        in_text = delay_in_text(failure.detail) if failure.reason in _WAITING else None
        return longest(self._facts.retry_after_seconds, failure.retry_after_seconds, in_text)

    def _timeline(self) -> Timeline:
        record = self._record
        return Timeline(
            start=self._start,
            sent=self._exchange.sent,
            headers=self._exchange.answered,
            first_token=_at(record.first_token),
            first_answer_token=_at(record.first_answer_token),
            last_token=_at(record.last_counted(self._usage)),
            end=_at(record.end),
            gaps=tuple(record.gaps),
            lag=record.lag,
            uncertainty=_sum(record.uncertainty, self._exchange.sent_uncertainty),
        )


def _sum(nanoseconds: int | None, more: int) -> int | None:
    return None if nanoseconds is None else nanoseconds + more


def _at(mark: Mark | None) -> int | None:
    return mark.at if mark else None


def _too_large(what: str, limit: int, unit: str) -> ProtocolError:
    return ProtocolError(f"the {what} is longer than {limit} {unit}", FailureReason.TOO_LARGE)


def _word(said: str | None) -> str | None:
    return presentable(said, _MAX_WORD_CHARACTERS) if said else None


def _told(failure: Failure, head: ResponseHead | None) -> Failure:
    """The failure as people may see it."""
    detail = presentable(failure.detail, MAX_DETAIL_CHARACTERS)
    status = failure.status or (head.status if head else None)
    return replace(failure, detail=detail, status=status)
