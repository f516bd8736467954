"""A small Kubernetes API server with the real one's rules, as far as the exporter uses it.

Objects have versions from one counter. A list has a version and comes in pages. A watch continues
from a version, or fails if that is too old. An update of an outdated object is a conflict. The
server uses TLS with a bearer token, and allows only what the given Roles allow.
"""

from __future__ import annotations

import asyncio
import copy
import json
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.process import free_port

Object = dict[str, Any]
_PAGE = 2
"""A small page size, so that every list of more than two items comes in pages."""


def matches(thing: Object, selector: str) -> bool:
    """Match equality-based selectors only."""
    labels = thing["metadata"].get("labels") or {}
    wanted = (part.split("=") for part in selector.split(",") if part)
    return all(labels.get(key) == value for key, value in wanted)


def _seen(thing: Object | None, namespace: str, selector: str) -> Object | None:
    wanted = thing and thing["metadata"]["namespace"] == namespace and matches(thing, selector)
    return thing if wanted else None


def _event(version: int, before: Object | None, after: Object | None) -> Object | None:
    """Return the event for a watcher. If an object no longer matches, watchers see it as
    deleted."""
    if after:
        return {"type": "MODIFIED" if before else "ADDED", "object": after}
    if before:
        metadata = {**before["metadata"], "resourceVersion": str(version)}
        return {"type": "DELETED", "object": {**before, "metadata": metadata}}
    return None


class ApiServer:
    """The server's store and the rules for changing it. Thread-safe."""

    token = "service-account-token"

    def __init__(self, roles: list[Object]) -> None:
        self.rules = [rule for role in roles for rule in role["rules"]]
        self.down = False
        """While set, every request fails with 503, and watches break off."""
        self.hanging = False
        """While set, requests get no answer."""
        self.busy_for: float | None = None
        """While set, every request fails with 429, and watches end. The value is its
        ``Retry-After`` in seconds. With 0, the header is missing."""
        self.requests: list[tuple[str, str]] = []
        """Verb and resource."""
        self._lock = threading.Lock()
        self._version = 100
        self._oldest = 100
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._log: list[tuple[int, str, Object | None, Object | None]] = []
        """Version, resource, and the object before and after."""

    def put(self, resource: str, thing: Object) -> Object:
        """Create or replace an object, as its owner."""
        with self._lock:
            return self._write(resource, copy.deepcopy(thing))

    def delete(self, resource: str, name: str, namespace: str = "default") -> None:
        with self._lock:
            thing = self._objects.pop((resource, namespace, name))
            self._version += 1
            self._log.append((self._version, resource, thing, None))

    def get(self, resource: str, name: str, namespace: str = "default") -> Object:
        with self._lock:
            return copy.deepcopy(self._objects[resource, namespace, name])

    def forget_history(self) -> None:
        """Compact the history, so that no watch can continue from an older version."""
        with self._lock:
            self._version += 1
            self._oldest = self._version

    def update(self, resource: str, namespace: str, name: str, thing: Object) -> Object:
        with self._lock:
            old = self._find(resource, namespace, name)
            if thing["metadata"].get("resourceVersion") != old["metadata"]["resourceVersion"]:
                changed = f'Operation cannot be fulfilled on {resource} "{name}": the object has'
                raise HTTPException(409, f"{changed} been modified")
            return self._write(resource, thing)

    def read(self, resource: str, namespace: str, name: str) -> Object:
        with self._lock:
            return copy.deepcopy(self._find(resource, namespace, name))

    def page(self, resource: str, namespace: str, selector: str, start: int) -> Object:
        with self._lock:
            found = [
                thing
                for (kind, place, _), thing in sorted(self._objects.items())
                if kind == resource and place == namespace and matches(thing, selector)
            ]
            end = start + _PAGE
            metadata = {"resourceVersion": str(self._version)}
            if end < len(found):
                metadata["continue"] = str(end)
            return {"kind": "List", "metadata": metadata, "items": found[start:end]}

    def changes(
        self, resource: str, namespace: str, selector: str, since: int
    ) -> tuple[list[Object], int]:
        """Return the events since a version, and the current version.

        :raises HTTPException: the version is too old.
        """
        with self._lock:
            if since < self._oldest:
                raise HTTPException(410, f"too old resource version: {since} ({self._oldest})")
            events = (
                _event(version, *(_seen(thing, namespace, selector) for thing in before_and_after))
                for version, kind, *before_and_after in self._log
                if version > since and kind == resource
            )
            return [event for event in events if event], self._version

    def allows(self, verb: str, group: str, resource: str, name: str | None) -> bool:
        return any(
            verb in rule["verbs"]
            and group in rule["apiGroups"]
            and resource in rule["resources"]
            and ("resourceNames" not in rule or name in rule["resourceNames"])
            for rule in self.rules
        )

    def _find(self, resource: str, namespace: str, name: str) -> Object:
        try:
            return self._objects[resource, namespace, name]
        except KeyError:
            raise HTTPException(404, f'{resource} "{name}" not found') from None

    def _write(self, resource: str, thing: Object) -> Object:
        metadata = thing["metadata"]
        key = resource, metadata.setdefault("namespace", "default"), metadata["name"]
        old = self._objects.get(key)
        self._version += 1
        metadata["uid"] = old["metadata"]["uid"] if old else str(uuid.uuid4())
        metadata["resourceVersion"] = str(self._version)
        self._objects[key] = thing
        self._log.append((self._version, resource, old, copy.deepcopy(thing)))
        return copy.deepcopy(thing)


class _Site:
    """The server's HTTP interface."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    async def collection(self, request: Request) -> Response:
        query = request.query_params
        watching = query.get("watch") == "true"
        await self._admit(request, "watch" if watching else "list")
        place = request.path_params["resource"], request.path_params["namespace"]
        selector = query.get("labelSelector", "")
        if watching:
            events = self._events(*place, selector, int(query["resourceVersion"]))
            return StreamingResponse(events, media_type="application/json")
        return JSONResponse(self._server.page(*place, selector, int(query.get("continue", 0))))

    async def one(self, request: Request) -> Response:
        await self._admit(request, {"GET": "get", "PUT": "update"}[request.method])
        at = (
            request.path_params["resource"],
            request.path_params["namespace"],
            request.path_params["name"],
        )
        if request.method == "PUT":
            return JSONResponse(self._server.update(*at, await request.json()))
        return JSONResponse(self._server.read(*at))

    async def _admit(self, request: Request, verb: str) -> None:
        while self._server.hanging:  # noqa: ASYNC110 - it is set in another thread
            await asyncio.sleep(0.05)
        resource = request.path_params["resource"]
        self._server.requests.append((verb, resource))
        if self._server.down:
            raise HTTPException(503, "the server is currently unable to handle the request")
        if self._server.busy_for is not None:
            headers = {"Retry-After": f"{self._server.busy_for:g}"} if self._server.busy_for else {}
            raise HTTPException(429, "too many requests, please try again later", headers)
        if request.headers.get("authorization") != f"Bearer {self._server.token}":
            raise HTTPException(401, "Unauthorized")
        group = request.path_params.get("group", "")
        if not self._server.allows(verb, group, resource, request.path_params.get("name")):
            raise HTTPException(403, f'cannot {verb} resource "{resource}" in API group "{group}"')

    async def _events(
        self, resource: str, namespace: str, selector: str, since: int
    ) -> AsyncIterator[bytes]:
        while not self._server.down and self._server.busy_for is None:
            try:
                found, since = self._server.changes(resource, namespace, selector, since)
            except HTTPException as error:
                yield _line({"type": "ERROR", "object": _status(error)})
                return
            for event in found:
                yield _line(event)
            bookmark = {"metadata": {"resourceVersion": str(since)}}
            yield _line({"type": "BOOKMARK", "object": bookmark})
            await asyncio.sleep(0.1)


def _line(event: Object) -> bytes:
    return json.dumps(event).encode() + b"\n"


def _status(error: HTTPException) -> Object:
    told = {"message": error.detail, "code": error.status_code}
    return {"kind": "Status", "status": "Failure", **told}


def _failed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse(_status(error), error.status_code, error.headers)


def _application(server: ApiServer) -> Starlette:
    site = _Site(server)
    routes = []
    for root in ("/api/v1", "/apis/{group}/v1"):
        place = root + "/namespaces/{namespace}/{resource}"
        routes.append(Route(place, site.collection))
        routes.append(Route(place + "/{name}", site.one, methods=["GET", "PUT"]))
    return Starlette(routes=routes, exception_handlers={HTTPException: _failed})


@contextmanager
def running(server: ApiServer, folder: Path) -> Iterator[str]:
    """Serve over TLS, and yield the ``kubernetes`` part of a configuration for it."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.crt")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    (folder / "token").write_text(server.token)
    port = free_port()
    settings = uvicorn.Config(
        _application(server),
        host="127.0.0.1",
        port=port,
        ssl_certfile=folder / "server.pem",
        http="h11",
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    web = uvicorn.Server(settings)
    thread = threading.Thread(target=web.run)
    thread.start()
    try:
        yield (
            f"kubernetes: {{api_server: 'https://127.0.0.1:{port}', namespace: default,"
            f" token_file: {folder}/token, ca_file: {folder}/ca.crt, lease_duration: 3s}}"
        )
    finally:
        server.down = True
        server.hanging = False
        web.should_exit = True
        thread.join()
