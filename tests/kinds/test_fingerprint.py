"""The kind ``fingerprint``: fixed prompts with greedy answers, which show whether the model has
changed."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import openai
import pytest
from pydantic import ValidationError

from exporter.config.plan import Plan, PlanChange, Timeouts
from exporter.config.root import Config
from exporter.config.target import Target
from exporter.kinds import FingerprintProbe, Kind
from exporter.metrics.behaviour import LIMIT, Behaviour
from exporter.metrics.registry import Metrics
from exporter.net.kernel_clock import Arrival
from exporter.observation import observed
from exporter.probing.record import StreamRecord
from exporter.providers import PROVIDERS
from exporter.providers.base import Call
from exporter.result import Fingerprint
from exporter.simulator import Script
from tests.kinds.rig import KEY, ask, simulator, speakers
from tests.kinds.test_chat import JUDGES
from tests.metrics.test_metrics import value
from tests.providers.golden import events_of, fixture

TARGET = Target(name="contract", provider="vllm", model="m", base_url="http://a.test/v1")
SPEAKERS = speakers(Kind.FINGERPRINT)
PROBE = FingerprintProbe(kind=Kind.FINGERPRINT)
TELLING = PROBE.model_copy(update={"logprobs": True})
QUICK: dict[str, Any] = {"first_token_seconds": 0.01, "token_gap_seconds": 0.001}


def request_of(provider: str, probe: FingerprintProbe, version: str | None = None) -> Any:
    row = PROVIDERS[provider]
    call = Call("m", probe.ask(probe.texts[0], "00ff"), "https://a.test", "k", api_version=version)
    return json.loads(row.dialect(row.server(None, None), Kind.FINGERPRINT).request(call).body)


@pytest.mark.parametrize("provider", JUDGES)
@pytest.mark.parametrize("probe", [PROBE, TELLING], ids=["plain", "telling"])
def test_the_sdk_takes_the_request_for_its_own(provider: str, probe: FingerprintProbe) -> None:
    JUDGES[provider](request_of(provider, probe))


@pytest.mark.parametrize("provider", SPEAKERS)
def test_nothing_is_left_to_chance_and_nothing_is_put_before_the_prompt(provider: str) -> None:
    words = json.dumps(request_of(provider, PROBE))
    assert "00ff" not in words
    assert ('"temperature": 0' in words) is (provider != "anthropic")
    assert ("logprobs" in words) is (provider in ("vllm", "ollama"))
    assert '"temperature": 0' in json.dumps(request_of("anthropic", PROBE, "2023-06-01"))


@pytest.mark.parametrize("provider", SPEAKERS)
async def test_the_answer_is_what_is_compared(provider: str, tmp_path: Path) -> None:
    async with simulator(**QUICK, answer=" A lamp. ") as server:
        result = await ask(server, provider, PROBE, tmp_path)
    assert result.failure is None
    seen = result.measures.fingerprint
    assert seen is not None
    assert (seen.prompt, seen.answer) == (PROBE.prompts[0], "A lamp.")


async def test_our_probe_and_the_sdk_read_the_same_probabilities(tmp_path: Path) -> None:
    async with simulator(**QUICK, first_token_probability=0.75) as server:
        result = await ask(server, "vllm", PROBE, tmp_path)
        url = f"{server.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
            completion = client.chat.completions.stream(
                model="m", messages=[{"role": "user", "content": "a"}], logprobs=True
            )
            async with completion as stream:
                told = (await stream.get_final_completion()).choices[0].logprobs
    assert told is not None
    (first,) = told.content or []
    seen = result.measures.fingerprint
    assert seen is not None
    assert [token for token, _ in seen.first_token] == [one.token for one in first.top_logprobs]
    assert [probability for _, probability in seen.first_token] == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize(
    "provider", ["openai", "openai_responses", "ollama", "gemini", "dashscope"]
)
def test_the_first_token_is_read_in_each_ones_words(provider: str) -> None:
    row, record = PROVIDERS[provider], StreamRecord()
    dialect = row.dialect(row.server(None, None), Kind.FINGERPRINT)
    record.take(events_of(dialect, fixture(provider, "logprobs")), Arrival(1, None))
    assert record.failure is None
    assert record.end is not None
    probabilities = [probability for _, probability in record.first_likelihoods]
    assert probabilities == pytest.approx([0.905, 0.082], abs=0.001)


PROMPTS = [f"prompt {number}" for number in range(10)]


def said(prompt: str, model: str, random: Random, noise: float) -> Fingerprint:
    """Return an answer of a model that deviates in a share of cases. Two models agree on two of
    three prompts."""
    chosen = Random(prompt).choice("ab") if hash_of(prompt) % 3 else model
    answer = f"{chosen} {random.random()}" if random.random() < noise else chosen
    sure = 0.6 + 0.01 * random.gauss() + (0.1 if model == "quantised" else 0)
    return Fingerprint(prompt, answer, (("the", sure), ("a", 1 - sure)))


def hash_of(prompt: str) -> int:
    return int(prompt.split()[1])


def taken(answers: int, model: str, into: Behaviour, random: Random, *, noise: float = 0.1) -> int:
    """Feed answers to the detector. Return after how many the last change was detected, or 0."""
    found = 0
    for number in range(answers):
        if into.take(said(PROMPTS[number % 10], model, random, noise)):
            found = number + 1
    return found


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5])
def test_a_change_shows_within_some_dozen_answers_and_chance_does_not(noise: float) -> None:
    random, behaviour = Random(1), Behaviour(Random(2))
    assert taken(600, "full", behaviour, random, noise=noise) == 0
    assert behaviour.evidence < LIMIT
    assert behaviour.distance is not None
    assert behaviour.distance < 0.1
    assert 0 < taken(60, "quantised", behaviour, random, noise=noise) < 60
    assert behaviour.changes == 1
    # From now on, the new behavior is the usual one.
    assert taken(300, "quantised", behaviour, random, noise=noise) == 0


def test_answers_alone_are_enough_where_nobody_tells_probabilities() -> None:
    behaviour = Behaviour(Random(3))
    for prompt in PROMPTS * 30:
        behaviour.take(Fingerprint(prompt, "as ever"))
    assert behaviour.agreement == 1
    assert behaviour.distance is None
    behaviour.take(Fingerprint(PROMPTS[0], "otherwise"))
    assert behaviour.agreement == 0.9
    assert behaviour.evidence > 0
    assert any(behaviour.take(Fingerprint(prompt, "otherwise")) for prompt in PROMPTS * 2)


async def test_a_change_becomes_a_metric(tmp_path: Path) -> None:
    probe = FingerprintProbe(kind=Kind.FINGERPRINT, prompts=("Why?",))
    plan = Plan(TARGET, "contract", probe, 60, Timeouts(total=5), fresh_connection=False)
    metrics = Metrics()
    metrics.apply(PlanChange.between((), (plan,)))
    assert value(metrics, "inference_fingerprint_changes_total") == 0
    async with simulator(**QUICK) as server:
        first = observed(plan, await ask(server, "vllm", probe, tmp_path))
        server.scripts["m"] = Script(**QUICK, answer="otherwise", first_token_probability=0.5)
        changed = observed(plan, await ask(server, "vllm", probe, tmp_path))
    for _ in range(80):
        metrics.observe(first)
    assert value(metrics, "inference_fingerprint_agreement_ratio") == 1
    assert value(metrics, "inference_fingerprint_distance") == pytest.approx(0, abs=1e-6)
    metrics.observe(changed)
    assert value(metrics, "inference_fingerprint_agreement_ratio") == 0
    assert value(metrics, "inference_fingerprint_distance") > 0.3
    assert value(metrics, "inference_fingerprint_evidence") > 0
    for _ in range(12):
        metrics.observe(changed)
    assert value(metrics, "inference_fingerprint_changes_total") == 1


async def test_other_prompts_have_another_past(tmp_path: Path) -> None:
    plans = [
        Plan(TARGET, "contract", FingerprintProbe(kind=Kind.FINGERPRINT, prompts=(text,)), 60,
             Timeouts(total=5), fresh_connection=False)
        for text in ("Why?", "How?")
    ]  # fmt: skip
    metrics = Metrics()
    metrics.apply(PlanChange.between((), plans[:1]))
    async with simulator(**QUICK) as server:
        told = [await ask(server, "vllm", plan.probe, tmp_path) for plan in plans]
    for _ in range(2):
        metrics.observe(observed(plans[0], told[0]))
    assert value(metrics, "inference_fingerprint_agreement_ratio") == 1
    metrics.apply(PlanChange.between(plans[:1], plans[1:]))
    metrics.observe(observed(plans[1], told[1]))
    with pytest.raises(AssertionError, match="agreement"):
        value(metrics, "inference_fingerprint_agreement_ratio")


def test_mistakes() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        Config.model_validate({"probes": {"p": {"kind": "fingerprint", "prompts": []}}})
    with pytest.raises(ValidationError, match="belongs to kind 'fingerprint', not 'chat'"):
        Config.model_validate({"probes": {"p": {"prompt": "a", "prompts": ["b"]}}})
