"""Answers one request: with a handler's bytes, a script's timing, and sometimes its fault."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from exporter.result import NANOSECONDS
from exporter.simulator.connection import Connection
from exporter.simulator.faults import (
    Compressed,
    ErrorResponse,
    ErrorWithStatusOk,
    Fault,
    Hang,
    RawResponse,
)
from exporter.simulator.generation import count_tokens, generate
from exporter.simulator.handler import (
    Facts,
    Handler,
    Question,
    Refused,
    Request,
    Response,
    WholeQuestion,
)
from exporter.simulator.ledger import Entry
from exporter.simulator.model import ModelState, Presence
from exporter.simulator.player import Player, sleep_until
from exporter.simulator.script import Script, Sign
from exporter.simulator.steps import Error, ErrorKind

_REFUSALS: dict[Sign, Fault] = {
    Sign.NOT_READY: ErrorResponse(Error(ErrorKind.NOT_READY, "Loading model")),
    Sign.BAD_GATEWAY: RawResponse(502, b"<h1>Bad Gateway</h1>", (("content-type", "text/html"),)),
    Sign.UNAVAILABLE: RawResponse(503),
}
"""The responses to requests while the model loads."""


@dataclass(slots=True)
class Serving:
    """A request that a handler has claimed and is answering."""

    handler: Handler
    request: Request
    connection: Connection
    entry: Entry
    facts: Facts

    def read(self, api_key: str | None) -> Question | WholeQuestion:
        """Check the key, and parse the request.

        :raises Refused: the key is wrong, or the request is invalid.
        """
        if api_key is not None and self.handler.key(self.request) != api_key:
            raise Refused(Error(ErrorKind.INVALID_KEY, "Incorrect API key provided."))
        call = self.handler.read(self.request)
        self.entry.model, self.entry.prompt = call.model, call.prompt
        return call

    async def refuse(self, error: Error) -> None:
        """Answer with an error in the provider's format."""
        await send(self.connection, self.entry, self.handler.error(error, self.facts))

    async def answer(
        self, call: Question | WholeQuestion, script: Script, state: ModelState
    ) -> None:
        """Answer according to the script, as soon as a slot is free."""
        async with state.turn(script.slots):
            began_ns = time.monotonic_ns() if script.slots else self.entry.received_ns
            await self._answer(call, script, state, began_ns)

    async def _answer(
        self, call: Question | WholeQuestion, script: Script, state: ModelState, began_ns: int
    ) -> None:
        cached_seconds = script.cached_first_token_seconds
        if cached_seconds is not None and state.remembers(self.request.body):
            tokens = count_tokens(call.prompt)
            script = replace(script, first_token_seconds=cached_seconds, cached_input_tokens=tokens)
        self.facts = replace(
            self.facts,
            served_model=script.served_model or call.model or "",
            processing_seconds=script.headers_seconds,
            rate_limits=script.rate_limits,
            dimensions=script.dimensions,
            first_token_probability=script.first_token_probability,
        )
        self.connection.keep_alive = script.keep_alive
        random, fault = state.asked(script, began_ns)
        loading_seconds = state.seconds_until_ready(script.boot, began_ns)
        held_seconds = 0.0
        if script.boot and loading_seconds:
            match script.boot.sign:
                case Sign.HELD:
                    held_seconds = loading_seconds
                case Sign.SILENT:
                    first_token = script.first_token_seconds + loading_seconds
                    script = replace(script, first_token_seconds=first_token)
                case sign:
                    fault = _REFUSALS[sign]
        self.facts = replace(self.facts, load_seconds=held_seconds)
        start_ns = began_ns + held_seconds * NANOSECONDS
        await sleep_until(start_ns + script.headers_seconds * NANOSECONDS)
        match fault:
            case Hang():
                await asyncio.Event().wait()
            case ErrorResponse(error):
                await self.refuse(error)
            case ErrorWithStatusOk(error):
                response = self.handler.error(error, self.facts)
                await self._send(Response(200, response.headers, response.body))
            case RawResponse(status, body, headers):
                await self._send(Response(status, headers, body))
            case _ if isinstance(call, WholeQuestion):
                await sleep_until(start_ns + script.first_token_seconds * NANOSECONDS)
                await self._send(call.respond(self.facts, {}))
            case _:
                await self._stream(call, script, fault, start_ns, random)

    async def answer_at_once(self, call: WholeQuestion, presences: Mapping[str, Presence]) -> None:
        """Answer a request that isn't about one model."""
        await self._send(call.respond(self.facts, presences))

    async def _send(self, response: Response) -> None:
        await send(self.connection, self.entry, response)

    async def _stream(
        self, call: Question, script: Script, fault: Fault | None, start_ns: float, random: Random
    ) -> None:
        if not call.tools:
            script = replace(script, tool_call=None)
        player = Player(
            self.connection,
            self.entry,
            call.stream(self.facts),
            start_ns=start_ns,
            events_per_write=script.events_per_write,
            split_characters=script.split_characters,
            compressed=isinstance(fault, Compressed),
        )
        await player.play(generate(script, fault, call.prompt, call.max_tokens, random))


async def send(connection: Connection, entry: Entry, response: Response) -> None:
    """Send a complete response in one write."""
    entry.status = response.status
    entry.commit()
    await connection.write(connection.whole(response))
