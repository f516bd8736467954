"""AWS credentials from the same sources as AWS's own tools.

botocore, an optional extra, implements the whole chain: environment, shared files, SSO, web
identity (IRSA), container (ECS, EKS Pod Identity), and instance metadata. Without botocore, only
the environment variables are read.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from math import inf
from typing import Protocol

from exporter.providers.base import AwsCredentials, Call
from exporter.providers.credentials import A, OwnThread
from exporter.settings.redaction import remember
from exporter.settings.secret import SecretError

REREAD_SECONDS = 300.0
"""How often credentials without an expiry are looked up again, because the file may have
changed."""

_NONE_FOUND = (
    "no AWS credentials found; set api_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_NEEDS_BOTOCORE = "; profiles, SSO and roles need: pip install 'inference-exporter[bedrock]'"


class _Frozen(Protocol):
    access_key: str
    secret_key: str
    token: str | None


class _Source(Protocol):
    """botocore's ``Credentials``, which refresh themselves before they expire."""

    def get_frozen_credentials(self) -> _Frozen: ...


class AwsCredentialChain:
    """The AWS credentials of this process.

    The lookup runs in its own thread, because an instance-metadata service can hang.
    """

    def __init__(self, reread_seconds: float = REREAD_SECONDS) -> None:
        self._reread_seconds = reread_seconds
        self._thread = OwnThread("aws-credentials")
        self._source: _Source | None = None
        self._reread_at = 0.0

    async def authorize(self, call: Call[A]) -> Call[A]:
        """Return the call with signing keys, unless it has an API key.

        :raises SecretError: there are no credentials, or they can't be refreshed.
        """
        return call if call.api_key else replace(call, aws=await self.current())

    async def current(self) -> AwsCredentials:
        """Return credentials that are valid now. Refreshes happen off the event loop.

        :raises SecretError: there are no credentials, or they can't be refreshed.
        """
        credentials = await self._thread.run(self._read)
        remember(credentials.secret_access_key, passing=True)
        if credentials.session_token:
            remember(credentials.session_token, passing=True)
        return credentials

    def _read(self) -> AwsCredentials:
        try:
            import botocore.exceptions  # noqa: PLC0415  an optional extra
        except ImportError:
            return _from_environment()
        try:
            frozen = self._found().get_frozen_credentials()
        except (
            botocore.exceptions.BotoCoreError,
            botocore.exceptions.ClientError,
            RuntimeError,  # refreshed, but expired anyway
        ) as error:
            raise SecretError(f"AWS credentials cannot be had: {error}") from error
        return AwsCredentials(frozen.access_key, frozen.secret_key, frozen.token)

    def _found(self) -> _Source:
        if self._source is None or time.monotonic() >= self._reread_at:
            self._source, refreshes_itself = _look_up()
            self._reread_at = inf if refreshes_itself else time.monotonic() + self._reread_seconds
        return self._source


def _look_up() -> tuple[_Source, bool]:
    """Return the source that the chain finds, and whether it refreshes itself."""
    import botocore.credentials  # noqa: PLC0415
    import botocore.session  # noqa: PLC0415

    source = botocore.session.get_session().get_credentials()
    if source is None:
        raise SecretError(_NONE_FOUND)
    return source, isinstance(source, botocore.credentials.RefreshableCredentials)


def _from_environment() -> AwsCredentials:
    key_id = os.environ.get("AWS_ACCESS_KEY_ID")
    secret_key = os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key_id or not secret_key:
        raise SecretError(_NONE_FOUND + _NEEDS_BOTOCORE)
    return AwsCredentials(key_id, secret_key, os.environ.get("AWS_SESSION_TOKEN") or None)
