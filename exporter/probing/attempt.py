"""One request: a dialect and a transport become a ``ProbeResult``.

Errors are values here. Whatever happens on the wire, in the provider or in this code, the
outcome is a result with a reason, never an exception.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import structlog

from exporter.config.fetching import fetch
from exporter.config.outgoing import outgoing
from exporter.config.plan import Plan
from exporter.net.body import Body, Part, Sink
from exporter.net.exchange import Exchange
from exporter.net.failure import NetworkFailure, OwnFault
from exporter.net.transport import EXCHANGE, Connections
from exporter.probing.deadlines import Deadlines
from exporter.probing.record import StreamRecord
from exporter.probing.said import Said
from exporter.probing.unlike import KEPT_BYTES, explained
from exporter.process.loop import glance
from exporter.providers.asks import Ask
from exporter.providers.base import (
    Call,
    Decoder,
    HeaderFacts,
    OutputKind,
    ProtocolError,
    ResponseHead,
)
from exporter.providers.headers import delay_in_text, is_identity, longest, usage_in_headers
from exporter.result import Failure, FailureReason, Measures, ProbeResult, Usage
from exporter.settings.secret import SecretError

MAX_BODY_BYTES = 16 << 20
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
"""Failures that may pass by themselves."""

log = structlog.get_logger(__name__)


class Attempt:
    """The state of one request while it is under way."""

    _decoder: Decoder
    """Set as soon as there is something to decode."""

    def __init__(self, plan: Plan, text: str, nonce: str) -> None:
        self._plan = plan
        self._text, self._nonce = text, nonce
        self._dialect = plan.dialect
        self._start = time.monotonic_ns()
        self._record = StreamRecord()
        self._exchange = Exchange()
        self._deadlines = Deadlines(plan.timeouts, self._exchange)
        self._own_failure: Failure | None = None
        """The failure, if it says nothing about the provider."""
        self._call: Call[Ask] | None = None
        self._measures = Measures()
        self._head: ResponseHead | None = None
        self._facts = HeaderFacts()
        self._body_size = 0
        self._body_prefix = bytearray()

    async def carry_out(self, connections: Connections) -> Failure | None:
        """Run the probe to its end. Returns why it failed, or ``None`` if it succeeded."""
        glance()
        try:
            problem = await self._problem(connections)
            # The provider's own words on a failure are more exact than how the stream broke off.
            failure = self._record.failure or self._rejection() or problem or self._judge()
            return failure and self._explained(failure)
        except Exception as error:
            log.exception("probe crashed", target=self._plan.target.name)
            return Failure(FailureReason.INTERNAL, f"{type(error).__name__}: {error}")

    async def _problem(self, connections: Connections) -> Failure | None:
        try:
            async with self._deadlines:
                request = await self._request()
                glance()
                async with connections.transport(fresh=self._plan.fresh_connection) as transport:
                    await self._send(request, transport)
        except TimeoutError:
            failure = self._deadlines.failure()
            return self._own(failure) if self._deadlines.interrupted else failure
        except (NetworkFailure, ProtocolError) as error:
            failure = Failure(error.reason, str(error))
            return self._own(failure) if isinstance(error, OwnFault) else failure
        except SecretError as error:
            return Failure(FailureReason.AUTH, str(error))
        return None

    def _own(self, failure: Failure) -> Failure:
        self._own_failure = failure
        return failure

    async def _request(self) -> httpx.Request:
        target = self._plan.target
        call = self._call = Call(
            model=target.model,
            ask=self._plan.probe.ask(self._text, self._nonce),
            base_url=target.endpoint,
            api_key=await fetch(target.api_key) if target.api_key else None,
            region=target.region,
            api_version=target.api_version,
            now=datetime.now(UTC),
            extra_body=target.extra_body,
        )
        glance()
        request = self._dialect.request(await target.row.credentials.authorize(call))
        glance()
        return outgoing(request, await target.header_values(), {EXCHANGE: self._exchange})

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
        body = Body.of(response)
        if response.status_code == httpx.codes.OK:
            await self._read_stream(body, response)
        else:
            await body.drain(self._take_error)

    async def _read_stream(self, body: Body, response: httpx.Response) -> None:
        self._decoder = self._dialect.decoder()
        try:
            await body.drain(self._take)
        except ProtocolError:
            self._deadlines.ended()  # this is no answer, so it can't be late any more
            if not self._record.heard:
                await self._read_rest(body, self._take_error)  # what it says about itself
            raise
        if self._record.end is not None:
            # Only a connection whose response was read to its end can serve the next probe.
            await self._read_rest(body, self._take_rest)
            return
        # A body without a length looks complete even if it was cut off.
        whole = bool({"content-length", "transfer-encoding"} & response.headers.keys())
        self._record.take(self._decoder.finish(whole=whole), self._exchange.latest_arrival())

    async def _read_rest(self, body: Body, sink: Sink) -> None:
        """Read what can't change how the probe ends any more."""
        glance()
        with suppress(TimeoutError, NetworkFailure, ProtocolError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await body.drain(sink)

    def _take(self, part: Part) -> bool:
        """Decode a part of the answer; whether it holds the end marker."""
        data, arrival, ends_read = part
        self._keep(data)
        record = self._record
        if record.take(self._decoder.feed(data), arrival, ends_read=ends_read):
            self._deadlines.output(arrival.at)
            if record.output_characters > _MAX_OUTPUT_CHARACTERS:
                raise _too_large("output", _MAX_OUTPUT_CHARACTERS, "characters")
        if record.end is None:
            return False
        self._deadlines.ended()
        return True

    def _take_error(self, part: Part) -> bool:
        self._keep(part.data)
        return self._body_size >= KEPT_BYTES

    def _take_rest(self, part: Part) -> bool:
        self._keep(part.data)
        return False

    def _keep(self, data: bytes) -> None:
        self._body_size += len(data)
        if self._body_size > MAX_BODY_BYTES:
            raise _too_large("response", MAX_BODY_BYTES, "bytes")
        if not self._record.heard and (room := KEPT_BYTES - len(self._body_prefix)) > 0:
            self._body_prefix += data[:room]

    def _rejection(self) -> Failure | None:
        """What a response that isn't a stream says, whether it is complete or not."""
        if self._head and (self._head.status != httpx.codes.OK or not self._record.heard):
            return self._dialect.failure(self._head, bytes(self._body_prefix))
        return None

    def _judge(self) -> Failure | None:
        """The failure in a response that arrived in full."""
        record = self._record
        if record.end is None:
            return Failure(FailureReason.TRUNCATED, record.missing_end)
        probe = self._plan.probe
        if self._call is None:
            return None
        failure = probe.judge(record, self._call)
        self._measures = (
            probe.measures_of_failure(record) if failure else probe.measures(record, self._call)
        )
        return failure

    def _explained(self, failure: Failure) -> Failure:
        if self._head is None:
            return failure
        body = None if self._record.heard else bytes(self._body_prefix)
        return explained(failure, self._head, body)

    async def result(self, failure: Failure | None) -> ProbeResult:
        """The result of the probe."""
        glance()
        over = time.monotonic_ns()
        record, exchange = self._record, self._exchange
        said = await self._said(failure).presentable()
        return ProbeResult(
            target=self._plan.target.name,
            probe=self._plan.probe_name,
            finished_at=time.time(),
            timeline=record.timeline(self._start, exchange, self._usage, over=over),
            failure=_told(failure, said.detail, self._head) if failure else None,
            interrupted=failure is not None and failure is self._own_failure,
            usage=self._usage,
            pace_known=record.pace_known(self._usage),
            connection=exchange.connection,
            measures=self._measures,
            connection_retries=exchange.retries,
            answer=said.answer,
            reasoning=said.reasoning,
            body=said.body,
            finish_reason=said.finish_reason,
            served_model=said.served_model,
            request_id=said.request_id,
            model_load_seconds=record.model_load_seconds,
            status=self._head.status if self._head else None,
            rate_limits=self._facts.rate_limits,
            retry_after_seconds=self._retry_after_seconds(failure),
            certificate_expires_at=exchange.certificate_expires_at,
        )

    def _said(self, failure: Failure | None) -> Said:
        record = self._record
        return Said(
            answer=record.said,
            reasoning=record.text(OutputKind.REASONING),
            finish_reason=record.finish_reason,
            served_model=record.served_model,
            request_id=self._facts.request_id or record.request_id,
            body="" if record.heard or not failure else self._body_text(),
            detail=failure.detail if failure else "",
        )

    def _body_text(self) -> str:
        return self._body_prefix.decode("utf-8", "replace")

    @property
    def _usage(self) -> Usage | None:
        in_headers = usage_in_headers(self._head.headers) if self._head else None
        return self._record.usage or in_headers

    def _retry_after_seconds(self, failure: Failure | None) -> float | None:
        """The longest time that the headers, the error, or its text names."""
        if failure is None:
            return self._facts.retry_after_seconds
        in_text = delay_in_text(failure.detail) if failure.reason in _WAITING else None
        return longest(self._facts.retry_after_seconds, failure.retry_after_seconds, in_text)


def _too_large(what: str, limit: int, unit: str) -> ProtocolError:
    return ProtocolError(f"the {what} is longer than {limit} {unit}", FailureReason.TOO_LARGE)


def _told(failure: Failure, detail: str, head: ResponseHead | None) -> Failure:
    """The failure, as it may be shown."""
    return replace(failure, detail=detail, status=failure.status or (head.status if head else None))
