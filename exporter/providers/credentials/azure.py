"""Entra tokens from where Azure's own tools take their credentials.

azure-identity, an optional extra, knows the whole chain: environment, workload identity (AKS),
managed identity and the command lines that are logged in.
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
"""What a token for Azure OpenAI and Foundry Models is for (Microsoft's Azure OpenAI reference)."""

RENEW_SECONDS = 300.0
"""A token is renewed this long before it expires, so that none expires on its way."""

_NO_TOKEN = "no Entra token can be had, and api_key is not set"
_NEEDS_AZURE_IDENTITY = (
    "azure needs api_key, or for an Entra token: pip install 'inference-exporter[azure]'"
)


class EntraTokens:
    """The tokens of this process, one at a time.

    Getting one may ask a metadata service or start a command, so it has a thread of its own:
    neither the event loop nor the threads that resolve the names of other targets wait for it.
    One thread, since everybody waits for the same token.
    """

    def __init__(self, renew_seconds: float = RENEW_SECONDS) -> None:
        self._renew_seconds = renew_seconds
        self._thread = OwnThread("azure-credentials")
        self._credential: DefaultAzureCredential | None = None
        self._token: AccessToken | None = None

    async def authorize(self, call: Call[A]) -> Call[A]:
        """The call with a token, unless it has an API key.

        :raises SecretError: the extra is not installed, or no credential gives a token.
        """
        return call if call.api_key else replace(call, entra_token=await self.current())

    async def current(self) -> str:
        """A token that is valid now.

        :raises SecretError: the extra is not installed, or no credential gives a token.
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
            ValueError,  # a variable of the environment makes no sense
        ) as error:
            raise SecretError(f"{_NO_TOKEN}: {error}") from error
