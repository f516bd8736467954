"""Compares the provider's ledger with the exporter's counters, for each model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.running import Samples
from benchmarks.soak.scene import FAULTS, TRANSIENT
from benchmarks.soak.server import OUTPUT_TOKENS

MODELS = ("good", "good-fresh", TRANSIENT, *FAULTS)


@dataclass(frozen=True, slots=True)
class Counts:
    """The exporter's counters for one model."""

    probes: int = 0
    confirming: int = 0
    right: int = 0
    """The number of probes with the intended outcome and reason."""
    uncertain: int = 0
    """The number of probes without times. Interrupted probes count only here."""
    output_tokens: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.probes + other.probes,
            self.confirming + other.confirming,
            self.right + other.right,
            self.uncertain + other.uncertain,
            self.output_tokens + other.output_tokens,
        )


@dataclass(frozen=True, slots=True)
class Account:
    """The counts of one model next to the provider's ledger."""

    model: str
    answers: int
    counts: Counts

    @property
    def lost(self) -> int:
        """The number of uncounted answers; negative if some were counted twice."""
        return self.answers - self.counts.probes - self.counts.confirming

    @property
    def agrees(self) -> bool:
        """Whether only interrupted probes are uncounted, and no probe and no token of a good answer
        is counted twice."""
        counts = self.counts
        tokens = OUTPUT_TOKENS * (counts.right + counts.confirming)
        return (
            counts.right == counts.probes
            and 0 <= self.lost <= counts.uncertain
            and (self.model in FAULTS or counts.output_tokens == tokens)
        )


def counted(samples: Samples, model: str) -> Counts:
    """Return the counts of a model in a scrape."""

    def total(name: str, **labels: str) -> int:
        return int(samples.sum(name, model=model, **labels))

    return Counts(
        probes=total("inference_probes_total"),
        confirming=total("inference_confirmations_total"),
        right=total("inference_probe_failures_total", reason=model)
        if model in FAULTS
        else total("inference_probes_total", outcome="success"),
        uncertain=total("inference_probes_uncertain_total"),
        output_tokens=total("inference_tokens_total", type="output"),
    )


def accounts(samples: Samples, ledger: Counter[str], gone: Counts) -> list[Account]:
    """Return an account for every model.

    :param gone: the counts of removed transient targets.
    """
    return [
        Account(
            model,
            ledger[model],
            counted(samples, model) + (gone if model == TRANSIENT else Counts()),
        )
        for model in MODELS
    ]


def table(found: Iterable[Account]) -> list[tuple[object, ...]]:
    """Return the table rows of accounts."""
    return [
        (
            account.model,
            account.answers,
            account.counts.probes,
            account.counts.confirming,
            account.counts.right,
            account.lost,
            account.counts.uncertain,
        )
        for account in found
    ]
