"""From command-line options to a report: live, from the past, or from a file."""

from __future__ import annotations

from exporter.compare import live, samples_file
from exporter.compare.errors import PartiesError
from exporter.compare.options import Asking, Options
from exporter.compare.past import history
from exporter.compare.past.window import Window, before_and_after, same_time, windows_of
from exporter.compare.samples_file import Recorder
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.looking import judge
from exporter.prometheus.client import Prometheus


def report(options: Options) -> Report:
    """The report that is asked for.

    :raises PartiesError: it is not clear what is asked for.
    :raises ConfigError: a file cannot be used.
    :raises CompareError: samples cannot be had, read or kept.
    :raises HistoryError: Prometheus does not answer, or knows nothing of a target.
    """
    if options.from_samples:
        kept = samples_file.read(options.from_samples)
        return judge(kept, options.rules)
    of_one_target = bool(options.before_after or options.windows)
    if not options.baseline or (not options.candidates and not of_one_target):
        raise PartiesError("say what to compare: --baseline and --candidate")
    if options.prometheus:
        return _past(options, options.prometheus, options.baseline)
    if of_one_target:
        raise PartiesError("--before-after and --window need --prometheus")
    return live.report(options, options.baseline)


def _past(options: Options, url: str, baseline: str) -> Report:
    if options.asking != Asking(probe=options.asking.probe):
        raise PartiesError("what was asked in the past cannot be chosen, but for --probe")
    if options.concurrency:
        raise PartiesError("--concurrency cannot be asked for in the past")
    sides = _sides(options, baseline)
    with Prometheus(url, options.prometheus_token_env) as prometheus:
        kept = history.read(prometheus, sides, options.asking.probe)
    if options.samples:
        with Recorder.begin(options.samples, kept.subject) as recorder:
            for sample in kept.samples:
                recorder.add(sample)
    return judge(kept, options.rules)


def _sides(options: Options, baseline: str) -> tuple[Window, ...]:
    """Several targets at the same time, or one at several times."""
    if not options.before_after and not options.windows:
        return same_time((baseline, *options.candidates), options.since_seconds)
    if options.candidates or (options.before_after and options.windows):
        raise PartiesError(
            "--before-after or --window compares the baseline with itself; leave out the others"
        )
    if options.before_after:
        return before_and_after(baseline, options.before_after, options.since_seconds)
    if len(options.windows) == 1:
        raise PartiesError("one --window leaves nothing to compare it with; name another")
    return windows_of(baseline, options.windows)
