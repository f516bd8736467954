"""From what the command line asks for to a report: live, from the past, or from a file."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import click

from exporter.compare import samples_file
from exporter.compare.errors import PartiesError
from exporter.compare.options import Asking, Options
from exporter.compare.past import history
from exporter.compare.past.prometheus import Prometheus
from exporter.compare.sample import PROBES_PER_BLOCK
from exporter.compare.samples_file import Recorder, SamplesError
from exporter.compare.sampling.ad_hoc import ad_hoc_config
from exporter.compare.sampling.parties import Question, plans_of, subject_of
from exporter.compare.sampling.progress import Bar
from exporter.compare.sampling.sampler import Sampler
from exporter.compare.sampling.session import Limits, Session
from exporter.compare.statistics.findings import Report
from exporter.compare.statistics.looking import is_decided, judge
from exporter.compare.subject import Evidence, Subject
from exporter.config.loading import config_file
from exporter.config.plan import Plan
from exporter.process import loop

DEFAULT_PROBES = 200
DEFAULT_PROBES_UNTIL_DECIDED = 1000
_AD_HOC_TIMEOUT = "60s"


def report(options: Options) -> Report:
    """The report that is asked for.

    :raises PartiesError: it is not clear what is asked for.
    :raises ConfigError: a file cannot be used.
    :raises CompareError: samples cannot be had, read or kept.
    """
    if options.from_samples:
        kept = samples_file.read(options.from_samples)
        return judge(kept, options.rules)
    if not options.baseline or not options.candidates:
        raise PartiesError("say what to compare: --baseline and --candidate")
    if options.prometheus:
        return _past(options, options.prometheus, options.baseline)
    return _live(options, options.baseline)


def _past(options: Options, url: str, baseline: str) -> Report:
    if options.asking != Asking(probe=options.asking.probe):
        raise PartiesError("what was asked in the past cannot be chosen, but for --probe")
    with Prometheus(url, options.prometheus_token_env) as prometheus:
        kept = history.read(
            prometheus,
            baseline,
            options.candidates,
            options.asking.probe,
            options.since_seconds,
        )
    if options.samples:
        with Recorder.begin(options.samples, kept.subject) as recorder:
            for sample in kept.samples:
                recorder.add(sample)
    return judge(kept, options.rules)


def _live(options: Options, baseline: str) -> Report:
    names = [baseline, *options.candidates]
    if options.config:
        config = config_file.load(options.config)
    else:
        config = ad_hoc_config(names, _AD_HOC_TIMEOUT)
        names = [target.name for target in config.targets]
    plans, question = plans_of(config, names[0], names[1:], options.asking)
    limits = _limits(options, plans)
    subject = subject_of(plans, question, limits.probes, until_decided=options.until_decided)
    if options.until_decided:
        limits = replace(limits, is_enough=partial(is_decided, subject, options.rules))
    path = options.samples or _new_file()
    earlier = _earlier(path, subject)
    session = Session(subject, limits, earlier.samples if earlier else ())
    interrupted = _sample(session, plans, question, limits, path, earlier)
    _say_where(session, path, interrupted)
    found = judge(Evidence(subject, tuple(session.samples)), options.rules)
    return replace(found, interrupted=interrupted)


def _limits(options: Options, plans: tuple[Plan, ...]) -> Limits:
    unknown = [plan.target.name for plan in plans if plan.price is None]
    if options.budget_usd is not None and unknown:
        raise PartiesError(
            f"--budget needs the price of every target; set the price of {', '.join(unknown)}"
        )
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
    """The samples of an interrupted session; ``None`` where there was none."""
    if not path.exists():
        return None
    kept = samples_file.read(path)
    if replace(kept.subject, notes=()) != replace(subject, notes=()):
        raise SamplesError(
            f"{path}: holds the samples of a comparison of other targets, prompts or limits;"
            " name another file, or repeat the command that began it"
        )
    return kept


def _sample(
    session: Session,
    plans: tuple[Plan, ...],
    question: Question,
    limits: Limits,
    path: Path,
    earlier: Evidence | None,
) -> bool:
    """Gather samples; whether the user interrupted it."""
    expected = len(plans) * (limits.probes + limits.cold_rounds)
    with ExitStack() as stack:
        recorder = stack.enter_context(
            Recorder.take_up(path) if earlier else Recorder.begin(path, session.subject)
        )
        bar = stack.enter_context(Bar(expected, len(session.samples)))
        try:
            loop.run(_run(session, plans, question, recorder, bar))
        except KeyboardInterrupt:
            return True
    return False


async def _run(
    session: Session, plans: tuple[Plan, ...], question: Question, recorder: Recorder, bar: Bar
) -> None:
    sampler = Sampler(plans, question.prompts)
    try:
        await session.run(sampler, recorder, bar)
    finally:
        await sampler.aclose()


def _say_where(session: Session, path: Path, interrupted: bool) -> None:
    if interrupted:
        click.echo(f"Interrupted; to go on, repeat the command with --samples {path}", err=True)
    elif session.stopped_because:
        click.echo(f"Stopped, since {session.stopped_because}.", err=True)
    click.echo(f"Samples: {path} (report anew: compare --from-samples {path})", err=True)
