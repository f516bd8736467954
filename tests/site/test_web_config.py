"""The web configuration file: valid settings, invalid ones, and when it is read again."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import bcrypt
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from exporter.settings.mistakes import ConfigError
from exporter.site.guard import PasswordCheck
from exporter.site.toolkit_file import WebConfigFile

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def folder(tmp_path: Path, authority: trustme.CA) -> Path:
    """Return a folder with ``cert.pem``, ``key.pem``, and ``ca.pem``."""
    server = authority.issue_cert("127.0.0.1")
    server.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    server.private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "web.yml"
    path.write_text(text)
    return path


def tls(folder: Path, *lines: str) -> WebConfigFile:
    settings = ("cert_file: cert.pem", "key_file: key.pem", *lines)
    indented = "".join(f"  {line}\n" for line in settings)
    return WebConfigFile(written(folder, f"tls_server_config:\n{indented}"))


def tls_context(folder: Path, *lines: str) -> ssl.SSLContext:
    context = tls(folder, *lines).current().tls
    assert context is not None
    return context


def test_no_file_and_an_empty_file_ask_for_nothing(tmp_path: Path) -> None:
    for file in (WebConfigFile(None), WebConfigFile(written(tmp_path, "# later\n"))):
        assert not file.has_tls
        assert file.current().config.basic_auth_users == {}


def test_paths_are_relative_to_the_web_configuration(folder: Path) -> None:
    assert tls(folder).has_tls


def test_tls_is_modern_and_asks_for_no_client_certificate_unless_told(folder: Path) -> None:
    context = tls_context(folder)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.maximum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_NONE


def test_tls_settings_reach_openssl(folder: Path) -> None:
    context = tls_context(
        folder,
        "client_auth_type: RequireAndVerifyClientCert",
        "client_ca_file: ca.pem",
        "max_version: TLS12",
        "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]",
        "prefer_server_cipher_suites: false",
    )
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.maximum_version is ssl.TLSVersion.TLSv1_2
    below_tls_13 = {c["name"] for c in context.get_ciphers() if c["protocol"] != "TLSv1.3"}
    assert below_tls_13 == {"ECDHE-RSA-AES256-GCM-SHA384"}
    assert not context.options & ssl.OP_CIPHER_SERVER_PREFERENCE


CERTIFICATE = "tls_server_config: {cert_file: cert.pem, key_file: key.pem, "


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("basic_auth: {}", "basic_auth: unknown key"),
        ("basic_auth: {}", "did you mean 'basic_auth_users'?"),
        (
            "\n\ntls_server_config: {cert_fil: a}",
            ":3: tls_server_config.cert_fil: unknown key",
        ),
        (CERTIFICATE + "min_version: TLS_12}", "did you mean 'TLS12'?"),
        (CERTIFICATE + "\n cipher_suites: [\n RC4]}", ":3: tls_server_config.cipher_suites[0]"),
        ("basic_auth_users:\n  alice: x", ":2: basic_auth_users.alice: the password of"),
        (
            "http_server_config:\n  headers:\n    X-Frame-Option: x",
            ":3: http_server_config.headers.",
        ),
        ("tls_server_config: {cert_file: cert.pem}", "tls_server_config.key_file: is missing"),
        (CERTIFICATE + "min_version: TLS10}", "min_version: must be"),
        (CERTIFICATE + "min_version: TLS13, max_version: TLS12}", "min_version TLS13 is above"),
        (
            CERTIFICATE + "client_auth_type: RequireAnyClientCert}",
            "accepts unverified certificates",
        ),
        (CERTIFICATE + "client_auth_type: VerifyClientCertIfGiven}", "needs client_ca_file"),
        (CERTIFICATE + "client_ca_file: ca.pem}", "does nothing without client_auth_type"),
        (CERTIFICATE + "client_allowed_sans: [a]}", "client_allowed_sans: is not supported"),
        (CERTIFICATE + "curve_preferences: [X25519]}", "curve_preferences: is not supported"),
        (CERTIFICATE + "cert: PEM}", "cert: is not supported; name a PEM file"),
        (CERTIFICATE + "cipher_suites: [RC4]}", "unknown suite 'RC4'"),
        ("tls_server_config: {cert_file: none.pem, key_file: key.pem}", "none.pem"),
        ("tls_server_config: {cert_file: cert.pem, key_file: ca.pem}", "certificate and its key"),
        (
            CERTIFICATE + "client_auth_type: VerifyClientCertIfGiven, client_ca_file: web.yml}",
            "client_ca_file has no PEM certificate",
        ),
        ("http_server_config: {headers: {Server: x}}", "'Server' cannot be set"),
        ("http_server_config: {headers: {X-Frame-Options: all}}", "one of deny, sameorigin"),
        ('http_server_config: {headers: {X-XSS-Protection: "1\\n"}}', "printable ASCII"),
        ("rate_limit: {interval: 1s, burst: 5}", "rate_limit: is not supported"),
        ("basic_auth_users: [alice]", "basic_auth_users"),
        ("- a list", "must be a mapping"),
        ("basic_auth_users: {}\nbasic_auth_users: {}", "appears twice"),
        ("a: [", "not YAML"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(
    folder: Path, text: str, complaint: str
) -> None:
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        WebConfigFile(path)
    assert str(caught.value).startswith(f"{path}:")
    assert complaint in str(caught.value)


def test_an_encrypted_key_is_refused_instead_of_asking_at_the_terminal(folder: Path) -> None:
    key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    encrypted = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    (folder / "key.pem").write_bytes(encrypted)
    with pytest.raises(ConfigError, match="the key is encrypted"):
        tls(folder)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        WebConfigFile(tmp_path / "web.yml")


def test_a_password_in_clear_is_refused_without_being_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'alice' is not a bcrypt hash") as caught:
        WebConfigFile(written(tmp_path, "basic_auth_users: {alice: hunter2}"))
    assert "hunter2" not in str(caught.value)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    file = WebConfigFile(path)
    path.write_text(f"basic_auth_users: {{alice: {HASH}}}")
    assert file.current().config.basic_auth_users == {"alice": HASH}


def test_a_bad_change_leaves_the_old_configuration_in_force_until_mended(tmp_path: Path) -> None:
    path = written(tmp_path, f"basic_auth_users: {{alice: {HASH}}}")
    file = WebConfigFile(path)
    path.write_text("basic_auth_users: {alice: in clear}")
    assert file.current().config.basic_auth_users == {"alice": HASH}
    path.write_text(f"basic_auth_users: {{bob: {HASH}}}")
    assert file.current().config.basic_auth_users == {"bob": HASH}


def test_a_renewed_certificate_is_taken_once_its_key_is_there(
    folder: Path, authority: trustme.CA
) -> None:
    file = tls(folder)
    old = file.current().tls
    renewed = authority.issue_cert("localhost")
    renewed.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    assert file.current().tls is old
    renewed.private_key_pem.write_to_path(folder / "key.pem")
    assert file.current().tls is not old


def test_certificates_that_a_bad_change_names_are_watched_too(
    folder: Path, authority: trustme.CA
) -> None:
    file = tls(folder)
    old = file.current().tls
    written(folder, "tls_server_config: {cert_file: new.pem, key_file: new.pem}")
    assert file.current().tls is old
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        folder / "new.pem"
    )
    assert file.current().tls is not old


def test_a_swapped_link_is_a_change(tmp_path: Path) -> None:
    """This is how Kubernetes renews a mounted Secret."""
    for user in ("alice", "bob"):
        (tmp_path / user).mkdir()
        written(tmp_path / user, f"basic_auth_users: {{{user}: {HASH}}}")
    data = tmp_path / "data"
    data.symlink_to("alice")
    file = WebConfigFile(data / "web.yml")
    (tmp_path / "next").symlink_to("bob")
    (tmp_path / "next").replace(data)
    assert file.current().config.basic_auth_users == {"bob": HASH}


def test_tls_is_not_turned_off_while_running(folder: Path) -> None:
    file = tls(folder)
    written(folder, "tls_server_config:\n")
    assert file.has_tls
    assert file.current().tls is not None


def basic(credentials: bytes) -> str:
    return f"Basic {base64.b64encode(credentials).decode()}"


@pytest.mark.parametrize(
    ("authorization", "allowed"),
    [
        (basic(b"alice:secret"), True),
        (basic(b"alice:secret").replace("Basic", "bAsIc"), True),
        (basic(b"alice:wrong"), False),
        (basic(b"alice:"), False),
        (basic(b"alice"), False),
        (basic(b"bob:secret"), False),
        (basic(b":secret"), False),
        (basic(b"\xff:secret"), False),
        (basic(b"alice:\x00"), False),
        (basic(b"alice:" + b"x" * 5000), False),
        ("Basic not-base64", False),
        ("Bearer secret", False),
        ("", False),
    ],
)
async def test_passwords(authorization: str, allowed: bool) -> None:
    assert await PasswordCheck().allow({"alice": HASH}, authorization) is allowed


async def test_a_password_longer_than_bcrypt_reads_is_compared_as_far_as_it_does() -> None:
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    check = PasswordCheck()
    assert await check.allow({"alice": hashed}, basic(b"alice:" + b"x" * 80))


async def test_a_remembered_password_does_not_outlive_its_hash() -> None:
    check = PasswordCheck()
    assert await check.allow({"alice": HASH}, basic(b"alice:secret"))
    renewed = bcrypt.hashpw(b"renewed", bcrypt.gensalt(4)).decode()
    assert not await check.allow({"alice": renewed}, basic(b"alice:secret"))
    assert not await check.allow({"bob": HASH}, basic(b"alice:secret"))


async def test_a_remembered_password_costs_no_further_hashing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashings = 0
    check_password = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        nonlocal hashings
        hashings += 1
        return check_password(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    check = PasswordCheck()
    for _ in range(10):
        assert await check.allow({"alice": HASH}, basic(b"alice:secret"))
    assert hashings == 1
