"""What each path of the exporter's own HTTP side answers.

Handlers run on the web server's loop. What belongs to the probing loop is sent there; what
takes processor time (rendering thousands of series) is done in a worker thread, one at a time,
so that health checks stay prompt and the probing thread keeps its share of the interpreter.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from exporter.metrics.registry import Metrics
from exporter.observation import Observation
from exporter.probing.prober import OverBudget, StandsBy
from exporter.settings.mistakes import ConfigError
from exporter.site.result_json import result_to_json
from exporter.site.scrapes import Scrapes
from exporter.site.status import Status, StatusRow
from exporter.site.status_page import View, render_page

HEARTBEAT_SECONDS = 5.0
"""An exporter whose probing loop does not answer for so long is not healthy."""
_SCRAPE_TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
_SCRAPE_TIMEOUT_SHARE = 0.95  # the answer must reach the scraper before it gives up
_MAX_NAMES_SHOWN = 20
_STANDS_BY = "not probed: this exporter stands by, another one probes\n"
_COMPRESSED = (Middleware(GZipMiddleware, compresslevel=1),)

OPENAPI: dict[str, Any] = json.loads(Path(__file__).with_name("openapi.json").read_bytes())
"""The description of all that is answered here."""

T = TypeVar("T")


class Backend(Protocol):
    """What is shown. The coroutines run on ``loop``, the probing loop."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def metrics(self) -> Metrics: ...

    @property
    def status(self) -> Status: ...

    @property
    def ready(self) -> bool:
        """Whether targets are being probed: not yet while starting, no more while stopping."""
        ...

    @property
    def stands_by(self) -> bool:
        """Whether another exporter is the one that probes."""
        ...

    @property
    def lifecycle_enabled(self) -> bool: ...

    async def probe_target(self, name: str) -> tuple[Observation, ...]:
        """Probe one configured target now, with all its probes.

        :raises KeyError: no target has this name.
        :raises OverBudget: they could pass a budget.
        """
        ...

    async def reload(self) -> None:
        """Take over the configuration as it is now.

        :raises ConfigError: it has mistakes; nothing was changed.
        """
        ...


def routes(backend: Backend, *, enable_probe: bool = True) -> Starlette:
    """The application that answers for this back end."""
    site = _Site(backend)
    site.probe_enabled = enable_probe
    return Starlette(
        routes=[
            Route("/", site.page, middleware=_COMPRESSED),
            Route("/metrics", site.metrics),
            Route("/probe", site.probe),
            Route("/api/v1/targets", site.targets, middleware=_COMPRESSED),
            Route("/api/v1/openapi.json", site.openapi),
            Route("/-/healthy", site.healthy),
            Route("/-/ready", site.ready),
            Route("/-/reload", site.reload, methods=["POST"]),
        ],
    )


class _Site:
    """The handlers."""

    probe_enabled: bool

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._started = time.monotonic()
        self._scrapes = Scrapes(self._in_background)
        self._one_at_a_time = asyncio.Lock()
        self._probing: dict[str, asyncio.Future[tuple[Observation, ...]]] = {}

    async def page(self, request: Request) -> Response:
        view = View.parse(request.query_params)
        rows, uptime = self._backend.status.rows(), time.monotonic() - self._started
        stands_by = self._backend.stands_by
        page = await self._in_background(lambda: render_page(rows, uptime, view, stands_by))
        return HTMLResponse(page.html, headers={"Content-Security-Policy": page.security_policy})

    async def metrics(self, request: Request) -> Response:
        return await self._scrapes.answer(self._backend.metrics.everything(), request)

    async def targets(self, _request: Request) -> Response:
        rows = self._backend.status.rows()
        return await self._in_background(lambda: JSONResponse({"targets": _to_json(rows)}))

    async def openapi(self, _request: Request) -> Response:
        return JSONResponse(OPENAPI)

    async def probe(self, request: Request) -> Response:
        if not self.probe_enabled:
            raise HTTPException(403, "/probe is off; set web.enable_probe to true\n")
        _refuse_other_sites(request)
        if self._backend.stands_by:
            raise HTTPException(503, _STANDS_BY)
        name = self._target_name(request)
        timeout_seconds = _scrape_timeout_seconds(request)
        if not self._backend.ready:
            raise HTTPException(503, "not probed: the exporter is starting or stopping\n")
        probing = self._probe_now(name)
        done, _ = await asyncio.wait({probing}, timeout=timeout_seconds)
        if not done:
            raise HTTPException(
                504,
                f"probing {name!r} takes longer than the scrape timeout; its result will still be"
                " counted. Raise scrape_timeout or lower the target's timeout.\n",
            )
        if probing.cancelled():
            raise HTTPException(503, "not probed to the end: the exporter is stopping\n")
        match probing.exception():
            case KeyError():
                raise _no_such_target(name, self._target_names())
            case StandsBy():
                raise HTTPException(503, _STANDS_BY)
            case OverBudget() as over:
                raise HTTPException(503, f"not probed: {over}; days begin at 00:00 UTC\n")
        probing.result()
        return await self._scrapes.answer_alone(self._backend.metrics.of_target(name), request)

    async def healthy(self, _request: Request) -> Response:
        beat: Future[None] = Future()
        try:
            self._backend.loop.call_soon_threadsafe(beat.set_result, None)
        except RuntimeError:
            raise HTTPException(503, "the probing loop has ended\n") from None
        done, _ = await asyncio.wait({asyncio.wrap_future(beat)}, timeout=HEARTBEAT_SECONDS)
        if not done:
            late = f"the probing loop has not answered for {HEARTBEAT_SECONDS:g} s\n"
            raise HTTPException(503, late)
        return PlainTextResponse("healthy\n")

    async def ready(self, _request: Request) -> Response:
        if not self._backend.ready:
            raise HTTPException(503, "not ready: starting or stopping\n")
        return PlainTextResponse("ready\n")

    async def reload(self, request: Request) -> Response:
        if not self._backend.lifecycle_enabled:
            off = "reload over HTTP is off; set web.enable_lifecycle to true, or send SIGHUP\n"
            raise HTTPException(403, off)
        _refuse_other_sites(request)
        reloading = asyncio.run_coroutine_threadsafe(self._backend.reload(), self._backend.loop)
        try:
            await asyncio.wrap_future(reloading)
        except ConfigError as error:
            raise HTTPException(500, f"not reloaded, nothing was changed: {error}\n") from error
        return PlainTextResponse("reloaded\n")

    async def _in_background(self, work: Callable[[], T]) -> T:
        async with self._one_at_a_time:
            return await asyncio.to_thread(work)

    def _probe_now(self, name: str) -> asyncio.Future[tuple[Observation, ...]]:
        """Requests for a target that is already being probed share that probe: every probe
        costs money, and anybody may ask."""
        probing = self._probing.get(name)
        if probing is None:
            backend = self._backend
            started = asyncio.run_coroutine_threadsafe(backend.probe_target(name), backend.loop)
            probing = self._probing[name] = asyncio.wrap_future(started)
            probing.add_done_callback(lambda _: self._probing.pop(name))
        return probing

    def _target_name(self, request: Request) -> str:
        name = request.query_params.get("target")
        names = self._target_names()
        if not name:
            raise HTTPException(400, f"which target? /probe?target=NAME; {_list(names)}\n")
        if name not in names:
            raise _no_such_target(name, names)
        return name

    def _target_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.plan.target.name for row in self._backend.status.rows()))


def _no_such_target(name: str, names: tuple[str, ...]) -> HTTPException:
    return HTTPException(404, f"no target is named {name[:200]!r}; {_list(names)}\n")


def _list(names: tuple[str, ...]) -> str:
    more = len(names) - _MAX_NAMES_SHOWN
    shown = ", ".join(names[:_MAX_NAMES_SHOWN]) or "none"
    return f"configured are {shown}" + (f" and {more} more" if more > 0 else "")


def _refuse_other_sites(request: Request) -> None:
    """A page of another site could make a browser that may come in here spend tokens. Browsers
    say where a request is from; what is no browser says nothing."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise HTTPException(403, "asked by a page of another site\n")


def _scrape_timeout_seconds(request: Request) -> float | None:
    text = request.headers.get(_SCRAPE_TIMEOUT_HEADER)
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise HTTPException(400, f"{_SCRAPE_TIMEOUT_HEADER} must be a number of seconds\n")
    return seconds * _SCRAPE_TIMEOUT_SHARE


def _to_json(rows: Iterable[StatusRow]) -> list[JsonValue]:
    return [
        {
            "target": row.plan.target.name,
            "provider": row.plan.target.provider,
            "model": row.plan.target.model,
            "probe": row.plan.probe_name,
            "labels": dict(row.plan.target.labels),
            "endpoint": row.plan.target.endpoint,
            "interval_seconds": row.plan.interval_seconds,
            "waiting": asdict(row.waiting) if row.waiting else None,
            "last": _last_to_json(row.last) if row.last else None,
        }
        for row in rows
    ]


def _last_to_json(last: Observation) -> dict[str, JsonValue]:
    """The result without what its row says already, and without the answer: prompts may be
    somebody's own data, and answers tell of them."""
    left_out = {"target", "probe", "answer"}
    told = result_to_json(last.result, last.cold)
    return {key: value for key, value in told.items() if key not in left_out}
