"""Turns command-line options into the sides and the prompts of a comparison."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from exporter.compare.errors import PartiesError
from exporter.compare.options import Asking
from exporter.compare.sampling.prompts import Length, Prompt, of_lengths
from exporter.compare.sampling.shapes import load_shapes
from exporter.compare.subject import Party, Subject
from exporter.config.plan import Plan
from exporter.config.root import Config
from exporter.kinds import Chat, Probe
from exporter.kinds.chat import DEFAULT_PROBES
from exporter.prices.price import ServerPrice, TokenPrice
from exporter.settings.mistakes import did_you_mean
from exporter.settings.prompts import load_prompts


@dataclass(frozen=True, slots=True)
class Question:
    """The probe and the prompts that every target gets."""

    probe_name: str
    probe: Chat
    prompts: tuple[Prompt, ...]
    words: str
    """A description for the report."""


def plans_of(
    config: Config, baseline: str, candidates: Sequence[str], asking: Asking
) -> tuple[tuple[Plan, ...], Question]:
    """Return the plans of the baseline and the candidates, in this order.

    :raises PartiesError: a target or the probe doesn't exist.
    :raises ConfigError: the file with the prompts can't be used.
    """
    plans = {plan.target.name: plan for plan in config.plans()}
    names = (baseline, *candidates)
    for name in names:
        if name not in plans:
            raise PartiesError(f"no target is named {name!r}; {did_you_mean(name, plans)}")
    question = _question(asking, config.probes, _common_probes(config, names))
    asked = (
        replace(plans[name], probe_name=question.probe_name, probe=question.probe) for name in names
    )
    return tuple(asked), question


def subject_of(
    plans: Sequence[Plan], question: Question, planned_probes: int | None, *, until_decided: bool
) -> Subject:
    """Describe the comparison for the report.

    :raises PartiesError: two targets have the same name.
    """
    baseline, *candidates = map(_party, plans)
    names = [plan.target.name for plan in plans]
    if len(set(names)) < len(names):
        raise PartiesError("two sides are the same target; compare different ones")
    return Subject(
        baseline=baseline,
        candidates=tuple(candidates),
        source="The sides took turns, and got each prompt twice, in the order A B B A.",
        asked=question.words,
        fingerprint=_fingerprint(plans, question),
        planned_probes=planned_probes,
        until_decided=until_decided,
        notes=tuple(_notes(plans)),
    )


def _common_probes(config: Config, names: Sequence[str]) -> list[str]:
    """Return the chat probes that all these targets have, in the order of the configuration."""
    chats = [plan for plan in config.plans() if isinstance(plan.probe, Chat)]
    asked = [{plan.probe_name for plan in chats if plan.target.name == name} for name in names]
    return [name for name in config.probes if all(name in probes for probes in asked)]


def _question(asking: Asking, probes: Mapping[str, Probe], common: Sequence[str]) -> Question:
    given = (asking.probe, asking.prompts_file, asking.shapes_file, asking.lengths or None)
    if sum(one is not None for one in given) > 1:
        raise PartiesError("give only one of --probe, --prompts-file, --shapes-file and --length")
    if asking.prompts_file:
        question = _from_file(asking.prompts_file)
    elif asking.shapes_file:
        question = _of_shapes(asking.shapes_file)
    elif asking.lengths:
        question = _of_lengths(asking.lengths)
    else:
        question = _configured(asking.probe, probes, common)
    if asking.max_output_tokens is None:
        return question
    shorter = question.probe.model_copy(update={"max_output_tokens": asking.max_output_tokens})
    return replace(question, probe=shorter)


def _from_file(path: Path) -> Question:
    texts = load_prompts(path)
    prompts = f"the {len(texts)} prompts" if len(texts) > 1 else "the only prompt"
    return Question(
        "prompts-file",
        Chat(prompt=texts[0], max_output_tokens=256),
        tuple(map(Prompt, texts)),
        f"The comparison used {prompts} of {path.name}.",
    )


def _of_shapes(path: Path) -> Question:
    shapes = load_shapes(path)
    longest = max(prompt.max_output_tokens or 1 for prompt in shapes.prompts)
    probe = Chat(prompt=shapes.prompts[0].text, max_output_tokens=longest)
    return Question("shapes-file", probe, shapes.prompts, shapes.words)


def _of_lengths(lengths: Sequence[Length]) -> Question:
    words = f"The comparison used prompts of about {' and '.join(lengths)} tokens."
    return Question("length", DEFAULT_PROBES["short"], of_lengths(lengths), words)


def _configured(name: str | None, probes: Mapping[str, Probe], common: Sequence[str]) -> Question:
    if name is None:
        if len(common) != 1:
            several = (
                f"the targets have several probes in common: {', '.join(common)}"
                if common
                else ("the targets have no probe in common")
            )
            raise PartiesError(
                f"{several}; choose one with --probe, or use --prompts-file or --length"
            )
        name = common[0]
    if name not in probes:
        raise PartiesError(f"no probe is named {name!r}; {did_you_mean(name, probes)}")
    probe = probes[name]
    if not isinstance(probe, Chat):
        raise PartiesError(
            f"probe {name!r} is of kind {probe.kind.value!r}; choose one of kind 'chat'"
        )
    return Question(
        name,
        probe,
        tuple(map(Prompt, probe.texts)),
        f"The comparison used the probe {name!r}, with at most {probe.max_output_tokens} output"
        " tokens.",
    )


def _party(plan: Plan) -> Party:
    target, price = plan.target, plan.price
    rates = price.rates if isinstance(price, TokenPrice) else None
    return Party(
        name=target.name,
        provider=target.provider,
        model=target.model,
        endpoint=target.endpoint,
        usd_per_million_input=float(rates.input) if rates else None,
        usd_per_million_output=float(rates.output) if rates else None,
        usd_per_hour=float(price.usd_per_hour) if isinstance(price, ServerPrice) else None,
    )


def _notes(plans: Sequence[Plan]) -> Iterator[str]:
    if len({plan.timeouts for plan in plans}) > 1:
        yield "The sides have different timeouts: a longer timeout means fewer failures."
    if len({plan.fresh_connection for plan in plans}) > 1:
        yield "Some sides reuse connections and some open new ones. No time includes connecting."
    if len({json.dumps(plan.target.extra_body, sort_keys=True) for plan in plans}) > 1:
        yield "The sides have different extra_body, so their requests can differ."
    without = [plan.target.name for plan in plans if plan.price is None]
    if without:
        yield f"No price is known for {', '.join(without)}, so the report compares no costs."


def _fingerprint(plans: Sequence[Plan], question: Question) -> str:
    """Return a hash of what must not change while samples are collected.

    It is only a hash because prompts and addresses can be private.
    """
    facts = [
        plan.target.model_dump(
            mode="json",
            include={"name", "provider", "model", "base_url", "region", "api_version",
                     "extra_body"},
        )
        for plan in plans
    ]  # fmt: skip
    asked = [question.probe.max_output_tokens, *map(_identity, question.prompts)]
    expect = question.probe.expect.model_dump(mode="json") if question.probe.expect else None
    prices = [repr(plan.price) for plan in plans]
    return hashlib.sha256(json.dumps([facts, prices, asked, expect]).encode()).hexdigest()[:16]


def _identity(prompt: Prompt) -> JsonValue:
    if prompt.max_output_tokens is None:
        return prompt.text
    return [prompt.text, prompt.max_output_tokens]
