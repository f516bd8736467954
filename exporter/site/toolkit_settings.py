"""The contents of a web configuration file: TLS and basic authentication, in the format of
Prometheus' exporter-toolkit.

The format is docs/web-configuration.md of github.com/prometheus/exporter-toolkit. Settings that
Python or this server doesn't support are rejected with a reason, never ignored.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    JsonValue,
    field_validator,
    model_validator,
)

from exporter.settings.files import regular_bytes
from exporter.settings.mistakes import did_you_mean
from exporter.settings.paths import FilePath
from exporter.settings.types import Located, UnknownName, raise_all

_BCRYPT = re.compile(r"\$2[abxy]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}")
_HEADERS: dict[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""The response headers that the format allows, and their allowed values; empty for any value."""
_CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
"""The cipher suites up to TLS 1.2 that Go considers secure: Go's name, then OpenSSL's."""


class ClientAuth(StrEnum):
    """Go's policies for client certificates."""

    NONE = "NoClientCert"
    REQUEST = "RequestClientCert"
    REQUIRE_ANY = "RequireAnyClientCert"
    VERIFY_IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRE_AND_VERIFY = "RequireAndVerifyClientCert"


_VERIFY_MODES = {
    ClientAuth.NONE: ssl.CERT_NONE,
    ClientAuth.VERIFY_IF_GIVEN: ssl.CERT_OPTIONAL,
    ClientAuth.REQUIRE_AND_VERIFY: ssl.CERT_REQUIRED,
}


class TlsVersion(StrEnum):
    """The versions that OpenSSL still offers; older ones are rejected."""

    TLS12 = "TLS12"
    TLS13 = "TLS13"


_OPENSSL_VERSIONS = {
    TlsVersion.TLS12: ssl.TLSVersion.TLSv1_2,
    TlsVersion.TLS13: ssl.TLSVersion.TLSv1_3,
}


def _unsupported(instead: str) -> AfterValidator:
    def refuse(value: object) -> None:
        if value is not None:
            raise ValueError(f"is not supported; {instead}")

    return AfterValidator(refuse)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


_Inline = Annotated[JsonValue, _unsupported("name a PEM file instead")]


class TlsServerConfig(_Model):
    """``tls_server_config``. Paths are relative to the web configuration file."""

    cert_file: FilePath
    key_file: FilePath
    client_auth_type: ClientAuth = ClientAuth.NONE
    client_ca_file: FilePath | None = None
    min_version: TlsVersion = TlsVersion.TLS12
    max_version: TlsVersion = TlsVersion.TLS13
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True
    cert: _Inline = None
    key: _Inline = None
    client_ca: _Inline = None
    client_allowed_sans: Annotated[
        JsonValue, _unsupported("sign the certificates of allowed clients with a CA of their own")
    ] = None
    curve_preferences: Annotated[JsonValue, _unsupported("OpenSSL's own order is used")] = None

    @field_validator("client_auth_type")
    @classmethod
    def _can_be_done(cls, policy: ClientAuth) -> ClientAuth:
        if policy not in _VERIFY_MODES:
            raise ValueError(
                f"{policy} is not supported, since it accepts unverified certificates; "
                "use VerifyClientCertIfGiven or RequireAndVerifyClientCert"
            )
        return policy

    @field_validator("cipher_suites")
    @classmethod
    def _suites_are_known(cls, suites: tuple[str, ...]) -> tuple[str, ...]:
        unknown = ((i, suite) for i, suite in enumerate(suites) if suite not in _CIPHERS)
        raise_all(
            "cipher_suites", (((i,), UnknownName("suite", suite, _CIPHERS)) for i, suite in unknown)
        )
        return suites

    @model_validator(mode="after")
    def _ca_and_policy_go_together(self) -> Self:
        verifies = self.client_auth_type is not ClientAuth.NONE
        if verifies and self.client_ca_file is None:
            raise ValueError(f"{self.client_auth_type} needs client_ca_file")
        if self.client_ca_file and not verifies:
            raise ValueError("client_ca_file does nothing without client_auth_type")
        return self

    @model_validator(mode="after")
    def _versions_are_ordered(self) -> Self:
        if self.min_version > self.max_version:
            raise ValueError(f"min_version {self.min_version} is above {self.max_version}")
        return self

    @property
    def files(self) -> tuple[Path, ...]:
        named = (self.cert_file, self.key_file, self.client_ca_file)
        return tuple(path for path in named if path)

    def context(self) -> ssl.SSLContext:
        """These settings as an OpenSSL context.

        :raises OSError: a file cannot be read, or has no usable certificate or key.
        """
        for path in self.files:
            regular_bytes(path, 1)  # OpenSSL's error wouldn't name the file; a pipe would block it
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with _explained("cert_file and key_file are not a PEM certificate and its key"):
            context.load_cert_chain(self.cert_file, self.key_file, password=_no_password)
        context.minimum_version = _OPENSSL_VERSIONS[self.min_version]
        context.maximum_version = _OPENSSL_VERSIONS[self.max_version]
        context.verify_mode = _VERIFY_MODES[self.client_auth_type]
        if self.client_ca_file:
            with _explained("client_ca_file has no PEM certificate"):
                context.load_verify_locations(self.client_ca_file)
        if self.cipher_suites:
            context.set_ciphers(":".join(_CIPHERS[suite] for suite in self.cipher_suites))
        if not self.prefer_server_cipher_suites:
            context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        return context


def _no_password() -> str:
    raise OSError("the key is encrypted; use an unencrypted key")


@contextmanager
def _explained(meaning: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise OSError(f"{meaning}: {error}") from error


class HttpServerConfig(_Model):
    """``http_server_config``."""

    http2: bool = True
    """Accepted because the format has it. This server supports only HTTP/1.1."""
    headers: dict[str, str] = {}

    @field_validator("headers")
    @classmethod
    def _headers_are_known(cls, headers: dict[str, str]) -> dict[str, str]:
        wrong = ((name, _wrong_header(name, value)) for name, value in headers.items())
        raise_all("headers", (((name,), ValueError(why)) for name, why in wrong if why))
        return {name: value for name, value in headers.items() if value}


def _wrong_header(name: str, value: str) -> str | None:
    if name not in _HEADERS:
        return f"{name!r} cannot be set; {did_you_mean(name, _HEADERS)}"
    if (allowed := _HEADERS[name]) and value not in allowed:
        return f"{name} must be one of {', '.join(allowed)}, not {value!r}"
    if not value.isascii() or not value.isprintable():
        return f"{name} must be printable ASCII"
    return None


def _or_nothing(value: object) -> object:
    return {} if value is None else value


class WebConfig(_Model):
    """The whole file."""

    tls_server_config: TlsServerConfig | None = None
    http_server_config: Annotated[HttpServerConfig, BeforeValidator(_or_nothing)] = (
        HttpServerConfig()
    )
    basic_auth_users: Annotated[dict[str, str], BeforeValidator(_or_nothing)] = {}
    """bcrypt hashes of passwords by user name."""
    rate_limit: Annotated[JsonValue, _unsupported("limit requests in a reverse proxy")] = None

    @field_validator("basic_auth_users")
    @classmethod
    def _passwords_are_hashed(cls, users: dict[str, str]) -> dict[str, str]:
        raise_all("basic_auth_users", _not_hashed(users))
        return users


def _not_hashed(users: Mapping[str, str]) -> Iterator[Located]:
    for user, hashed in users.items():
        if not _BCRYPT.fullmatch(hashed):
            why = (
                f"the password of {user!r} is not a bcrypt hash; make one with "
                "htpasswd -nBC 10 '' | tr -d ':\\n'"
            )
            yield (user,), ValueError(why)
