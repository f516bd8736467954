"""The past that answers are compared with survives a restart, even if files are broken or
missing."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from exporter.config.plan import Plan, PlanChange, Timeouts
from exporter.config.target import Target
from exporter.kinds import Embeddings, FingerprintProbe, Kind, Probe
from exporter.metrics import past_keeper
from exporter.metrics.past_file import read_past
from exporter.metrics.past_keeper import PastKeeper
from exporter.metrics.registry import Metrics
from exporter.observation import observed
from exporter.result import Fingerprint, Measures, ProbeResult, Timeline
from tests.metrics.test_metrics import value

PROMPTS = ("a", "b")
FIXED = FingerprintProbe(kind=Kind.FINGERPRINT, prompts=PROMPTS)
TARGET = Target(name="t", provider="openai", model="m")
CHANGES = "inference_fingerprint_changes_total"
SIMILARITY = "inference_embedding_similarity"


class Life:
    """An exporter with one probe, from start to end."""

    def __init__(self, folder: Path, probe: Probe = FIXED, target: Target = TARGET) -> None:
        self.plan = Plan(
            target,
            "asked",
            probe,
            60,
            Timeouts(total=60),
            False,
        )
        self.metrics, self._folder = Metrics(), folder
        self.keeper = PastKeeper(self.metrics)
        self._in_force: tuple[Plan, ...] = ()
        self.become((self.plan,))

    def become(self, plans: tuple[Plan, ...]) -> None:
        """Replace all plans."""
        self.metrics.apply(PlanChange.between(self._in_force, plans))
        self._in_force = plans
        self.keeper.apply(self._folder, plans)

    def hear(self, measures: Iterable[Measures]) -> None:
        for one in measures:
            result = ProbeResult(
                target="t", probe="asked", finished_at=0.0, timeline=Timeline(start=0), measures=one
            )
            self.metrics.observe(observed(self.plan, result))


def answers(word: str, rounds: int) -> list[Measures]:
    first = ((word, 0.6), ("other", 0.4))
    return [
        Measures(fingerprint=Fingerprint(prompt, f"{word} {prompt}", first))
        for _ in range(rounds)
        for prompt in PROMPTS
    ]


def file_in(folder: Path) -> Path:
    [file] = folder.iterdir()
    return file


def test_a_model_that_changed_during_a_restart_is_found_out(tmp_path: Path) -> None:
    before = Life(tmp_path)
    before.hear(answers("calm", 20))
    before.keeper.close()

    after = Life(tmp_path)
    after.hear(answers("bold", 20))

    assert value(after.metrics, CHANGES) == 1


def test_a_model_that_did_not_change_raises_no_alarm(tmp_path: Path) -> None:
    for _ in range(4):
        life = Life(tmp_path)
        life.hear(answers("calm", 10))
        life.keeper.close()
        assert value(life.metrics, CHANGES) == 0


def test_without_a_file_a_restart_forgets(tmp_path: Path) -> None:
    Life(tmp_path).hear(answers("calm", 20))  # then it was killed before its first save

    after = Life(tmp_path)
    after.hear(answers("bold", 20))

    assert value(after.metrics, CHANGES) == 0


def test_an_embedding_is_compared_with_the_first_of_all(tmp_path: Path) -> None:
    probe = Embeddings(kind=Kind.EMBEDDINGS)
    before = Life(tmp_path, probe)
    before.hear([Measures(direction=(1.0, 0.0))])
    before.keeper.close()

    after = Life(tmp_path, probe)
    after.hear([Measures(direction=(0.0, 1.0))])

    assert value(after.metrics, SIMILARITY) == 0


def test_other_questions_have_no_past(tmp_path: Path) -> None:
    before = Life(tmp_path)
    before.hear(answers("calm", 20))
    before.keeper.close()

    longer = FIXED.model_copy(update={"max_output_tokens": 32})
    after = Life(tmp_path, longer)
    after.hear(answers("bold", 20))

    assert value(after.metrics, CHANGES) == 0


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version": 2}', b"\xff\x00", b"null", b'{"asked": "x"}']
)
def test_a_broken_file_is_set_aside_and_history_is_learned_again(
    content: bytes, tmp_path: Path
) -> None:
    before = Life(tmp_path)
    before.hear(answers("calm", 1))
    before.keeper.close()
    file = file_in(tmp_path)
    file.write_bytes(content)

    after = Life(tmp_path)
    assert file_in(tmp_path).name == f"{file.name}.broken"
    assert file_in(tmp_path).read_bytes() == content
    after.hear(answers("calm", 1))
    after.keeper.close()

    assert file.exists()


def test_only_what_is_new_is_written(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.keeper.close()
    assert not [*tmp_path.iterdir()]
    life.hear(answers("calm", 1))
    life.keeper.close()
    written = file_in(tmp_path).stat().st_mtime_ns
    life.keeper.close()
    assert file_in(tmp_path).stat().st_mtime_ns == written


def test_a_probe_that_goes_and_comes_back_is_saved_again(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.hear(answers("calm", 20))
    life.keeper.close()
    life.become(())
    life.become((life.plan,))
    written = file_in(tmp_path).stat().st_mtime_ns
    life.hear(answers("calm", 4))
    life.keeper.close()

    assert file_in(tmp_path).stat().st_mtime_ns > written


def test_what_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    folder = tmp_path / "late"
    life = Life(folder)
    life.hear(answers("calm", 2))
    life.keeper.close()
    folder.mkdir()
    life.keeper.close()
    assert file_in(folder).exists()


async def test_a_slow_save_does_not_replace_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(tmp_path)
    life.hear(answers("calm", 5))
    begun, may_end = threading.Event(), threading.Event()

    def fsync(_descriptor: int) -> None:
        begun.set()
        assert may_end.wait(60)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(past_keeper, "_TURN_SECONDS", 0.0)
    running = asyncio.create_task(life.keeper.run())
    assert await asyncio.to_thread(begun.wait, 60)
    running.cancel()
    monkeypatch.undo()
    life.hear(answers("calm", 5))
    closing = asyncio.create_task(asyncio.to_thread(life.keeper.close))
    await asyncio.sleep(0.1)
    may_end.set()
    await closing
    await asyncio.get_running_loop().shutdown_default_executor()
    past = read_past(file_in(tmp_path))
    assert past
    assert past.behaviour == life.metrics.past_of(life.plan)[0]


def test_another_endpoint_has_another_past(tmp_path: Path) -> None:
    before = Life(tmp_path)
    before.hear(answers("calm", 20))
    before.keeper.close()

    moved = Target(name="t", provider="openai", model="m", base_url="http://127.0.0.1:9/v1")
    after = Life(tmp_path, target=moved)
    after.hear(answers("bold", 20))

    assert value(after.metrics, CHANGES) == 0


def test_a_folder_that_is_not_there_stops_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path / "gone")
    life.hear(answers("calm", 2))
    life.keeper.close()
    assert value(life.metrics, CHANGES) == 0
