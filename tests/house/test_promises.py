"""Names that others depend on stay stable. docs/stability.md says for how long."""

from __future__ import annotations

from pathlib import Path

from exporter.config.loading.deprecated import RENAMED
from tests.house.test_docs import KEYS
from tools.promises import promises

PROMISED = Path(__file__).with_name("promises.txt").read_text().splitlines()


def test_no_name_that_was_promised_is_lost() -> None:
    renamed = {f"key {_written(one.old)}" for one in RENAMED}
    lost = set(PROMISED) - promises(iter(KEYS)) - renamed
    assert not lost, "a minor version keeps these; a key needs its old name in RENAMED"


def test_the_list_is_in_order_and_holds_what_people_use_most() -> None:
    assert sorted(set(PROMISED)) == PROMISED
    labels = "{target,provider,model,probe,outcome}"
    assert f"metric inference_probes_total counter {labels}" in PROMISED
    assert "key targets[].name" in PROMISED
    assert "option run --config" in PROMISED
    assert "failure reason rate_limited" in PROMISED


def _written(key: tuple[str, ...]) -> str:
    """Return the key as the documentation writes it."""
    return ".".join(key).replace(".*", "[]")
