"""Builds every request once before the exporter accepts a configuration, without real secrets.

A request that can't be sent is an error in the configuration, never a failure of the provider.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import h11
import httpx

from exporter.config.outgoing import outgoing
from exporter.config.target import Target
from exporter.kinds import Probe
from exporter.providers.base import AwsCredentials, Call

_SECRET = "secret"
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_REFUSALS = (ValueError, TypeError, httpx.InvalidURL, h11.LocalProtocolError, RecursionError)
"""What Python, httpx and h11 raise for invalid URLs, headers and bodies."""


def why_unsendable(target: Target, probe: Probe) -> str | None:
    """Return why this probe's request can't be sent; ``None`` if it can. Ignores secrets."""
    call = Call(
        model=target.model,
        ask=probe.ask(probe.texts[0], _SECRET),
        base_url=target.endpoint,
        region=target.region,
        api_version=target.api_version,
        now=_ANY_TIME,
        extra_body=target.extra_body,
    )
    if target.api_key:
        call = replace(call, api_key=_SECRET)
    else:
        call = replace(call, aws=AwsCredentials(_SECRET, _SECRET, _SECRET), entra_token=_SECRET)
    further = {
        name: value if isinstance(value, str) else _SECRET for name, value in target.headers.items()
    }
    try:
        request = outgoing(target.dialect(probe.kind).request(call), further)
        h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
    except _REFUSALS as error:
        return str(error) or type(error).__name__
    return None
