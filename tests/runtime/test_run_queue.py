"""The scheduler's statistics of the thread that reads."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from exporter.process.run_queue import Account, RunQueue


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("5 7 2\n", Account(5, 7, 2)),
        ("0 0 0\n", None),  # a kernel without statistics
        ("", None),
        ("5 7\n", None),
    ],
)
def test_an_account_is_read_where_one_is_kept(
    text: str, account: Account | None, tmp_path: Path
) -> None:
    file = tmp_path / "schedstat"
    file.write_text(text)
    queue = RunQueue(file)
    assert queue.account() == account
    queue.close()


def test_a_system_without_the_file_has_no_account(tmp_path: Path) -> None:
    assert RunQueue(tmp_path / "missing").account() is None


@pytest.mark.skipif(
    sys.platform != "linux" or RunQueue().account() is None, reason="the kernel keeps no account"
)
def test_a_sleep_is_one_start() -> None:
    """At least one of many sleeps isn't interrupted."""
    queue = RunQueue()

    def starts() -> int:
        before = queue.account()
        time.sleep(0.001)
        after = queue.account()
        assert before is not None
        assert after is not None
        return (after - before).starts

    assert min(starts() for _ in range(200)) == 1
    queue.close()
