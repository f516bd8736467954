"""AWS credentials from where AWS's own tools take them.

botocore, an optional extra, knows the whole chain: environment, shared files, SSO, web identity
(IRSA), container (ECS, EKS Pod Identity) and instance metadata. Without it the environment
variables alone are read.
"""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from exporter.providers.base import AwsCredentials
from exporter.secret import SecretError, remember

_REREAD_SECONDS = 300.0
"""Keys without an expiry are looked up again this often: somebody may have rotated the file."""

_NONE_FOUND = (
    "no AWS credentials found; set api_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_NEEDS_BOTOCORE = "; profiles, SSO and roles need: pip install 'inference-exporter[bedrock]'"

_executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aws-credentials")
"""A thread of its own: an instance-metadata service that hangs must not take the threads that
resolve the names of other targets. One, since everybody waits for the same answer."""


async def aws_credentials() -> AwsCredentials:
    """Credentials that are valid now, refreshed off the event loop where they are temporary.

    :raises SecretError: there are none, or they cannot be refreshed.
    """
    credentials = await asyncio.get_running_loop().run_in_executor(_executor, _chain.current)
    remember(credentials.secret_access_key)
    if credentials.session_token:
        remember(credentials.session_token)
    return credentials


class _Frozen(Protocol):
    access_key: str
    secret_key: str
    token: str | None


class _Source(Protocol):
    """botocore's ``Credentials``, which refresh themselves where they expire."""

    def get_frozen_credentials(self) -> _Frozen: ...


class _Chain:
    """The credentials last found; used by one thread only."""

    def __init__(self) -> None:
        self._source: _Source | None = None
        self._reread_at = 0.0

    def current(self) -> AwsCredentials:
        try:
            import botocore.exceptions  # noqa: PLC0415  an optional extra
        except ImportError:
            return _from_environment()
        try:
            frozen = self._found().get_frozen_credentials()
        except (
            botocore.exceptions.BotoCoreError,
            botocore.exceptions.ClientError,
            RuntimeError,  # refreshed, and expired all the same
        ) as error:
            raise SecretError(f"AWS credentials cannot be had: {error}") from error
        return AwsCredentials(frozen.access_key, frozen.secret_key, frozen.token)

    def _found(self) -> _Source:
        if self._source is None or time.monotonic() > self._reread_at:
            self._source, self._reread_at = _look_up()
        return self._source


def _look_up() -> tuple[_Source, float]:
    """What the chain finds, and when to ask it again, in monotonic seconds."""
    import botocore.credentials  # noqa: PLC0415
    import botocore.session  # noqa: PLC0415

    source = botocore.session.get_session().get_credentials()
    if source is None:
        raise SecretError(_NONE_FOUND)
    refreshes = isinstance(source, botocore.credentials.RefreshableCredentials)
    return source, float("inf") if refreshes else time.monotonic() + _REREAD_SECONDS


def _from_environment() -> AwsCredentials:
    key_id = os.environ.get("AWS_ACCESS_KEY_ID")
    secret_key = os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key_id or not secret_key:
        raise SecretError(_NONE_FOUND + _NEEDS_BOTOCORE)
    return AwsCredentials(key_id, secret_key, os.environ.get("AWS_SESSION_TOKEN") or None)


_chain = _Chain()
