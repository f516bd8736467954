"""Entra tokens from the same sources as Azure's own tools.

azure-identity, an optional extra, implements the whole chain: environment, workload identity (AKS),
managed identity, and the login of command-line tools.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.providers.base import Call
from exporter.providers.credentials import A, OwnThread
from exporter.settings.redaction import remember
from exporter.settings.secret import SecretError

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.identity import DefaultAzureCredential

SCOPE = "https://cognitiveservices.azure.com/.default"
"""The scope of tokens for Azure OpenAI and Foundry Models (Microsoft's Azure OpenAI reference)."""

RENEW_SECONDS = 300.0
"""How long before its expiry a token is renewed, so that none expires in transit."""

_NO_TOKEN = "no Entra token can be had, and api_key is not set"
_NEEDS_AZURE_IDENTITY = (
    "azure needs api_key, or for an Entra token: pip install 'inference-exporter[azure]'"
)


class EntraTokens:
    """The Entra token of this process.

    Getting a token can query a metadata service or start a command. It therefore runs in its own
    thread, and blocks neither the event loop nor the threads that resolve host names.
    """

    def __init__(self, renew_seconds: float = RENEW_SECONDS) -> None:
        self._renew_seconds = renew_seconds
        self._thread = OwnThread("azure-credentials")
        self._credential: DefaultAzureCredential | None = None
        self._token: AccessToken | None = None

    async def authorize(self, call: Call[A]) -> Call[A]:
        """Return the call with a token, unless it has an API key.

        :raises SecretError: the extra isn't installed, or no credential provides a token.
        """
        return call if call.api_key else replace(call, entra_token=await self.current())

    async def current(self) -> str:
        """Return a token that is valid now.

        :raises SecretError: the extra isn't installed, or no credential provides a token.
        """
        token = await self._thread.run(self._read)
        remember(token, passing=True)
        return token

    def _read(self) -> str:
        if self._token is None or self._token.expires_on - time.time() < self._renew_seconds:
            self._token = self._fetch()
        return self._token.token

    def _fetch(self) -> AccessToken:
        try:
            import azure.core.exceptions  # noqa: PLC0415  an optional extra
            import azure.identity  # noqa: PLC0415
        except ImportError:
            raise SecretError(_NEEDS_AZURE_IDENTITY) from None
        try:
            self._credential = self._credential or azure.identity.DefaultAzureCredential()
            return self._credential.get_token(SCOPE)
        except (
            azure.core.exceptions.AzureError,
            ValueError,  # an environment variable is invalid
        ) as error:
            raise SecretError(f"{_NO_TOKEN}: {error}") from error
