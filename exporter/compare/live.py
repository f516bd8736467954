"""A live comparison, one probe at a time or under load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import click

from exporter.compare import samples_file
from exporter.compare.errors import PartiesError
from exporter.compare.options import Options
from exporter.compare.sample import PROBES_PER_BLOCK
from exporter.compare.samples_file import Recorder, SamplesError
from exporter.compare.sampling.ad_hoc import ad_hoc_config
from exporter.compare.sampling.load import LoadLimits, LoadSession
from exporter.compare.sampling.parties import Question, plans_of, subject_of
from exporter.compare.sampling.progress import Bar
from exporter.compare.sampling.sampler import Sampler
from exporter.compare.sampling.session import Limits, Session
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.interim_looks import is_decided, judge
from exporter.compare.statistics.power import foreseen, foreseen_of_levels
from exporter.compare.subject import Evidence, Subject
from exporter.config.loading import config_file
from exporter.config.plan import Plan
from exporter.process import loop

DEFAULT_PROBES = 200
DEFAULT_PROBES_UNTIL_DECIDED = 1000
_AD_HOC_TIMEOUT = "60s"


def report(options: Options, baseline: str) -> Report:
    """Send probes and judge the results."""
    names = [baseline, *options.candidates]
    if options.config:
        config = config_file.load(options.config)
    else:
        config = ad_hoc_config(names, _AD_HOC_TIMEOUT)
        names = [target.name for target in config.targets]
    plans, question = plans_of(config, names[0], names[1:], options.asking)
    _check_prices(options, plans)
    return (_under_load if options.concurrency else _one_by_one)(options, plans, question)


def _one_by_one(options: Options, plans: tuple[Plan, ...], question: Question) -> Report:
    limits = _limits(options)
    subject = subject_of(plans, question, limits.probes, until_decided=options.until_decided)
    if options.until_decided:
        limits = replace(limits, is_enough=partial(is_decided, subject, options.rules))
    _warn(options, plans, limits.probes, limits.cold_rounds)
    path = options.samples or _new_file()
    earlier = _earlier(path, subject)
    session = Session(limits, earlier.samples if earlier else ())
    expected = len(plans) * (limits.probes + limits.cold_rounds)
    return _sampled(options, plans, question, path, earlier, session, expected, subject)


def _under_load(options: Options, plans: tuple[Plan, ...], question: Question) -> Report:
    limits = LoadLimits(
        levels=options.concurrency,
        probes=options.probes,
        max_requests=options.max_requests,
        budget_usd=options.budget_usd,
    )
    levels = ", ".join(map(str, limits.levels))
    subject = replace(
        subject_of(plans, question, None, until_decided=False),
        source=(
            f"The sides took turns, as in A B B A, with {levels} concurrent streams. The main table"
            " combines the requests of all levels; typical ratios compare each level with itself."
        ),
        requests_per_level=tuple((n, PROBES_PER_BLOCK * limits.blocks(n)) for n in limits.levels),
    )
    per_side = limits.per_side(len(plans))
    _warn(options, plans, sum(per_side.values()), None)
    for warning in foreseen_of_levels(options.rules, per_side):
        click.echo(f"Note: {warning}", err=True)
    path = options.samples or _new_file()
    earlier = _earlier(path, subject)
    session = LoadSession(limits, earlier.samples if earlier else ())
    expected = limits.requests(len(plans))
    return _sampled(options, plans, question, path, earlier, session, expected, subject)


def _sampled(
    options: Options,
    plans: tuple[Plan, ...],
    question: Question,
    path: Path,
    earlier: Evidence | None,
    session: Session | LoadSession,
    expected: int,
    subject: Subject,
) -> Report:
    """Collect samples until the end or until the user interrupts."""
    interrupted = False
    with _outputs(path, earlier, subject, expected) as (recorder, bar):
        try:
            loop.run(_run(session, plans, question, recorder, bar))
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        click.echo(f"Interrupted. To continue, repeat the command with --samples {path}", err=True)
    elif session.stopped_because:
        click.echo(f"Stopped because {session.stopped_because}.", err=True)
    click.echo(f"Samples: {path} (for another report: compare --from-samples {path})", err=True)
    found = judge(Evidence(subject, tuple(session.samples)), options.rules)
    return replace(found, interrupted=interrupted)


@contextmanager
def _outputs(
    path: Path, earlier: Evidence | None, subject: Subject, expected: int
) -> Iterator[tuple[Recorder, Bar]]:
    with ExitStack() as stack:
        recorder = Recorder.take_up(path) if earlier else Recorder.begin(path, subject)
        done = len(earlier.samples) if earlier else 0
        yield stack.enter_context(recorder), stack.enter_context(Bar(expected, done))


async def _run(
    session: Session | LoadSession,
    plans: tuple[Plan, ...],
    question: Question,
    recorder: Recorder,
    bar: Bar,
) -> None:
    sampler = Sampler(plans, question.prompts)
    try:
        await session.run(sampler, recorder, bar)
    finally:
        await sampler.aclose()


def _warn(options: Options, plans: tuple[Plan, ...], probes: int, cold_rounds: int | None) -> None:
    """Report what will stay undecided, before the comparison costs anything."""
    unknown = [plan.target.name for plan in plans if plan.price is None]
    for warning in foreseen(options.rules, probes, cold_rounds, unknown):
        click.echo(f"Note: {warning}", err=True)


def _check_prices(options: Options, plans: tuple[Plan, ...]) -> None:
    unknown = [plan.target.name for plan in plans if plan.price is None]
    if options.budget_usd is not None and unknown:
        raise PartiesError(
            f"--budget needs the price of every target; set the price of {', '.join(unknown)}"
        )


def _limits(options: Options) -> Limits:
    default = DEFAULT_PROBES_UNTIL_DECIDED if options.until_decided else DEFAULT_PROBES
    blocks = -(-(options.probes or default) // PROBES_PER_BLOCK)
    return Limits(
        probes=blocks * PROBES_PER_BLOCK,
        budget_usd=options.budget_usd,
        pause_seconds=options.pause_seconds,
        cold_idle_seconds=options.cold_idle_seconds,
        cold_rounds=options.cold_rounds if options.cold_idle_seconds is not None else 0,
    )


def _new_file() -> Path:
    return Path(f"compare-{datetime.now().astimezone():%Y%m%d-%H%M%S}.jsonl")


def _earlier(path: Path, subject: Subject) -> Evidence | None:
    """Return the samples of an interrupted session; ``None`` if there was none.

    :raises SamplesError: the file belongs to another comparison.
    """
    if not path.exists():
        return None
    kept = samples_file.read(path)
    if kept.subject.facts != subject.facts:
        raise SamplesError(
            f"{path}: contains samples of other targets, prompts or limits;"
            " use another file, or repeat the command that created it"
        )
    return kept
