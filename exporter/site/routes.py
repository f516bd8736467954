"""The HTTP handlers of each path.

Handlers run on the web server's loop and pass work for the probing loop to that loop. Work that
takes processor time (rendering thousands of series) runs in a worker thread, one task at a time,
so that health checks stay fast and the probing thread keeps its share of the interpreter.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route

from exporter.observation import Observation
from exporter.probing.prober import OverBudget, StandsBy
from exporter.process.loop import last_idle
from exporter.settings.mistakes import ConfigError
from exporter.site.backend import Backend, Condition
from exporter.site.pages.config_page import render_config
from exporter.site.pages.page import Page, target_url
from exporter.site.pages.problems_page import count_problems, render_problems
from exporter.site.pages.status_page import TableView, render_page
from exporter.site.pages.target_page import render_target
from exporter.site.scrapes import Scrapes
from exporter.site.targets_json import targets_to_json

HEARTBEAT_SECONDS = 5.0
"""The exporter is unhealthy if its probing loop doesn't answer for this long."""
_SCRAPE_TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
_SCRAPE_TIMEOUT_SHARE = 0.95  # the answer must reach the scraper before it gives up
_MAX_NAMES_SHOWN = 20
_STANDS_BY = "not probed: this exporter is on standby, and another one probes\n"
_COMPRESSED_IN_A_THREAD_BYTES = 512 << 10  # less takes up to 4 ms, and a thread takes memory
_COMPRESSED = (
    Middleware(GZipMiddleware, compresslevel=1, thread_minimum_size=_COMPRESSED_IN_A_THREAD_BYTES),
)

OPENAPI: dict[str, Any] = json.loads(Path(__file__).with_name("openapi.json").read_bytes())
"""The OpenAPI description of this server."""

T = TypeVar("T")


def routes(backend: Backend, *, enable_probe: bool = True) -> Starlette:
    """The application for this back end."""
    site = _Site(backend)
    site.probe_enabled = enable_probe
    return Starlette(
        routes=[
            Route("/", site.page, middleware=_COMPRESSED),
            Route("/problems", site.problems, middleware=_COMPRESSED),
            Route("/config", site.config, middleware=_COMPRESSED),
            Route(
                "/targets/{name:path}", site.target, methods=["GET", "POST"], middleware=_COMPRESSED
            ),
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
        self._scrapes = Scrapes(self._in_background, partial(last_idle, backend.loop))
        self._one_at_a_time = asyncio.Lock()
        self._probing: dict[str, asyncio.Future[tuple[Observation, ...]]] = {}

    async def page(self, request: Request) -> Response:
        view, rows = TableView.parse(request.query_params), self._backend.status.rows()
        return await self._shown(lambda: render_page(rows, self._condition, view, time.time()))

    async def problems(self, _request: Request) -> Response:
        rows = self._backend.status.rows()
        return await self._shown(lambda: render_problems(rows, self._condition, time.time()))

    async def config(self, _request: Request) -> Response:
        rows = self._backend.status.rows()
        return await self._shown(
            lambda: render_config(self._condition, count_problems(rows, time.time()))
        )

    async def target(self, request: Request) -> Response:
        """The page of a target. POST probes the target first."""
        name = request.path_params["name"]
        rows = self._backend.status.rows()
        if name not in self._target_names():
            raise _no_such_target(name, self._target_names())
        if request.method == "POST":
            await self._probed(request, name, None)
            return RedirectResponse(target_url(name), 303)
        own, now = [row for row in rows if row.plan.target.name == name], time.time()
        shown = await self._shown(
            lambda: render_target(
                own,
                self._condition,
                count_problems(rows, now),
                now,
                can_probe=self.probe_enabled,
            )
        )
        # Without a referrer, browsers also withhold the origin of the page's own requests.
        shown.headers["Referrer-Policy"] = "same-origin"
        return shown

    async def metrics(self, request: Request) -> Response:
        return await self._scrapes.answer(self._backend.metrics.everything, request)

    async def targets(self, _request: Request) -> Response:
        rows = self._backend.status.rows()
        now = time.time()
        return await self._in_background(
            lambda: JSONResponse({"targets": targets_to_json(rows, now)})
        )

    async def openapi(self, _request: Request) -> Response:
        return JSONResponse(OPENAPI)

    async def probe(self, request: Request) -> Response:
        self._check_may_probe(request)
        name = self._target_name(request)
        await self._probed(request, name, _scrape_timeout_seconds(request))
        return await self._scrapes.answer_alone(self._backend.metrics.of_target(name), request)

    def _check_may_probe(self, request: Request) -> None:
        if not self.probe_enabled:
            raise HTTPException(403, "probing over HTTP is off; set web.enable_probe to true\n")
        _refuse_other_sites(request)
        if self._condition.stands_by:
            raise HTTPException(503, _STANDS_BY)

    async def _probed(self, request: Request, name: str, timeout_seconds: float | None) -> None:
        """Probe a target and wait for the result."""
        self._check_may_probe(request)
        if not self._backend.ready:
            raise HTTPException(503, "not probed: the exporter is starting or stopping\n")
        probing = self._probe_now(name)
        done, _ = await asyncio.wait({probing}, timeout=timeout_seconds)
        if not done:
            raise HTTPException(
                504,
                f"probing {name!r} takes longer than the scrape timeout; the result will still"
                " count. Raise scrape_timeout or lower the target's timeout.\n",
            )
        if probing.cancelled():
            raise HTTPException(503, "probe aborted: the exporter is stopping\n")
        match probing.exception():
            case KeyError():
                raise _no_such_target(name, self._target_names())
            case StandsBy():
                raise HTTPException(503, _STANDS_BY)
            case OverBudget() as over:
                raise HTTPException(503, f"not probed: {over}; days begin at 00:00 UTC\n")
        probing.result()

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
            raise HTTPException(
                500, f"not reloaded, the previous configuration stays active: {error}\n"
            ) from error
        return PlainTextResponse("reloaded\n")

    @property
    def _condition(self) -> Condition:
        return self._backend.condition

    async def _shown(self, render: Callable[[], Page]) -> Response:
        page = await self._in_background(render)
        return HTMLResponse(page.html, headers={"Content-Security-Policy": page.security_policy})

    async def _in_background(self, work: Callable[[], T]) -> T:
        async with self._one_at_a_time:
            return await asyncio.to_thread(work)

    def _probe_now(self, name: str) -> asyncio.Future[tuple[Observation, ...]]:
        """Requests for a target that is already being probed share that probe: every probe
        costs money, and any client can request one."""
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
            raise HTTPException(400, f"missing target: use /probe?target=NAME; {_list(names)}\n")
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
    return f"configured targets: {shown}" + (f" and {more} more" if more > 0 else "")


def _refuse_other_sites(request: Request) -> None:
    """A page of another site could make the browser of someone with access spend tokens.

    Browsers say where a request comes from in ``Sec-Fetch-Site``, but to a plain http URL only in
    ``Origin``, and there not for a GET. Other clients send neither.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        is_own = site in ("none", "same-origin")
    else:
        is_own = origin is None or origin.partition("://")[2].lower() in _asked_hosts(request)
    if not is_own:
        raise HTTPException(403, "rejected: the request comes from a page of another site\n")


def _asked_hosts(request: Request) -> tuple[str, ...]:
    """The names by which the client may have reached this server.

    Of several proxies, the one closest to the client writes the first element.
    """
    forwarded = request.headers.get("X-Forwarded-Host", "").partition(",")[0]
    hosts = (request.headers.get("Host", ""), forwarded)
    return tuple(host.strip().lower() for host in hosts if host.strip())


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
