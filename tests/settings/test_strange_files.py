"""Pipes, devices, sockets, endless and absurd files, for every file in the configuration: each is
rejected at once, and nothing blocks."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.budget.spend_file import SpendFileError, read_day, write_day
from exporter.budget.spending import Day, Spending
from exporter.config import fetching
from exporter.config.connection import TlsSettings
from exporter.config.fetching import fetch
from exporter.config.loading.config_file import ConfigError, fingerprint, load
from exporter.net.failure import NetworkFailure
from exporter.net.trust import tls_context
from exporter.prices.file import load_prices
from exporter.settings import secret as secrets_read
from exporter.settings.prompts import load_prompts
from exporter.settings.secret import Secret, SecretError
from exporter.site.toolkit_file import WebConfigFile


def pipe(folder: Path) -> Path:
    path = folder / "strange"
    os.mkfifo(path)
    return path


def link_to_a_pipe(folder: Path) -> Path:
    link = folder / "link"
    link.symlink_to(pipe(folder))
    return link


def listening_socket(folder: Path) -> Path:
    path = folder / "strange"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
    return path


def endless_device(_folder: Path) -> Path:
    return Path("/dev/zero")


STRANGE = [pipe, link_to_a_pipe, listening_socket, endless_device]


@pytest.fixture(params=STRANGE, ids=lambda make: make.__name__)
def strange(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    make: Callable[[Path], Path] = request.param
    return make(tmp_path)


def test_a_configuration_is_refused(strange: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(strange)
    fingerprint(strange)


@pytest.mark.parametrize(
    "text",
    [
        "target_files: ['{}']",
        "prices_file: '{}'",
        "probes: {{p: {{prompts_file: '{}'}}}}",
    ],
)
def test_a_file_that_the_configuration_names_is_refused(
    text: str, strange: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text.format(strange))
    with pytest.raises(ConfigError, match=f"{strange.name}.*: cannot be read"):
        load(config)
    fingerprint(config)


@pytest.mark.parametrize("read", [load_prompts, load_prices, WebConfigFile])
def test_files_of_their_own_format_are_refused(
    read: Callable[[Path], object], strange: Path
) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read(strange)


def test_certificates_of_the_web_server_are_refused(strange: Path, tmp_path: Path) -> None:
    web = tmp_path / "web.yml"
    web.write_text(f"tls_server_config: {{cert_file: '{strange}', key_file: '{strange}'}}")
    with pytest.raises(ConfigError, match="not a regular file"):
        WebConfigFile(web)


@pytest.mark.parametrize("key", ["ca_file", "cert_file"])
def test_certificates_for_a_provider_are_refused(key: str, strange: Path, tmp_path: Path) -> None:
    also = {"key_file": tmp_path / "key"} if key == "cert_file" else {}
    (tmp_path / "key").write_text("")
    with pytest.raises(NetworkFailure, match="not a regular file"):
        tls_context(TlsSettings.model_validate({key: strange, **also}))


async def test_a_key_file_is_refused_at_once(strange: Path) -> None:
    with pytest.raises(SecretError, match="not a regular file"):
        await fetch(Secret(file=strange))


async def test_a_key_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("x" * (64 << 10) + "y")
    with pytest.raises(SecretError, match="is longer than 64 KiB"):
        await fetch(Secret(file=path))


async def test_a_file_system_that_does_not_answer_holds_up_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read blocks as on a hard NFS mount. The loop and other keys continue."""
    hung, fine = tmp_path / "hung", tmp_path / "fine"
    fine.write_text("sk-another-key-00")
    released = asyncio.Event()
    loop = asyncio.get_running_loop()
    readable, writable = os.pipe()

    def read(path: Path, max_bytes: int) -> bytes:
        if path == hung:
            os.read(readable, 1)
            loop.call_soon_threadsafe(released.set)
        return b"sk-another-key-00"

    monkeypatch.setattr(secrets_read, "regular_bytes", read)
    monkeypatch.setattr(fetching, "_PATIENCE_SECONDS", 0.05)
    both = [fetch(Secret(file=hung)) for _ in range(2)]
    held_up = await asyncio.gather(*both, return_exceptions=True)
    assert ["did not respond" in str(error) for error in held_up] == [True, True]
    assert await fetch(Secret(file=fine)) == "sk-another-key-00"
    os.write(writable, b"x")
    await released.wait()
    monkeypatch.setattr(fetching, "_PATIENCE_SECONDS", 30.0)
    assert await fetch(Secret(file=fine)) == "sk-another-key-00"
    os.close(readable)
    os.close(writable)


DAY = Day(Spending().day.date, {"a": Decimal("1.5")})


def test_no_spend_is_written_in_place_of_what_is_no_regular_file(strange: Path) -> None:
    before = strange.stat().st_mode
    with pytest.raises(SpendFileError, match="not a regular file"):
        write_day(strange, DAY)
    with pytest.raises(SpendFileError, match="not a regular file"):
        read_day(strange)
    assert strange.stat().st_mode == before


def test_a_link_to_the_state_file_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    write_day(link, DAY)
    assert link.is_symlink()
    assert read_day(tmp_path / "elsewhere") == DAY


ABSURD = ["1e999999999", "1e13", "NaN", "-1", "Infinity", '"x"', "[]", "null"]


@pytest.mark.parametrize("usd", ABSURD)
def test_absurd_spend_is_no_spend(usd: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(f'{{"day": "2026-11-26", "usd": {{"a": {usd}}}}}')
    with pytest.raises(SpendFileError, match="is not a spend file"):
        read_day(path)


@pytest.mark.parametrize("usd", ["1e-99999", "1e-999999999999"])
def test_tiny_spend_adds_up(usd: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    spending = Spending()
    path.write_text(f'{{"day": "{spending.day.date}", "usd": {{"a": {usd}, "b": 1}}}}')
    day = read_day(path)
    assert day is not None
    spending.resume(day)
    assert float(spending.day.total_usd) == 1
    write_day(path, spending.committed)
