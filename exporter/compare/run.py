"""Turns command-line options into a report: live, from past probes or from a file."""

from __future__ import annotations

from exporter.compare import live, samples_file
from exporter.compare.errors import PartiesError
from exporter.compare.options import Options
from exporter.compare.past import history
from exporter.compare.past.window import Window, before_and_after, same_time, windows_of
from exporter.compare.samples_file import Recorder
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.interim_looks import judge
from exporter.prometheus.client import Prometheus


def report(options: Options) -> Report:
    """Create the requested report.

    :raises PartiesError: the options don't make clear what to compare.
    :raises ConfigError: a file can't be used.
    :raises CompareError: samples can't be collected, read or saved.
    :raises HistoryError: Prometheus doesn't respond or has no data for a target.
    """
    if options.from_samples:
        kept = samples_file.read(options.from_samples)
        if options.rules.objectives and not any(sample.streams for sample in kept.samples):
            raise PartiesError("--slo needs samples of a comparison with --concurrency; remove it")
        return judge(kept, options.rules)
    of_one_target = bool(options.before_after or options.windows)
    if not options.baseline or (not options.candidates and not of_one_target):
        raise PartiesError("specify what to compare: --baseline and --candidate")
    if options.prometheus:
        return _past(options, options.prometheus, options.baseline)
    return live.report(options, options.baseline)


def _past(options: Options, url: str, baseline: str) -> Report:
    sides = _sides(options, baseline)
    with Prometheus(url, options.prometheus_token_env) as prometheus:
        kept = history.read(prometheus, sides, options.asking.probe)
    if options.samples:
        with Recorder.begin(options.samples, kept.subject) as recorder:
            for sample in kept.samples:
                recorder.add(sample)
    return judge(kept, options.rules)


def _sides(options: Options, baseline: str) -> tuple[Window, ...]:
    """Return several targets in one time range, or one target in several time ranges."""
    if not options.before_after and not options.windows:
        return same_time((baseline, *options.candidates), options.since_seconds)
    if options.candidates or (options.before_after and options.windows):
        raise PartiesError(
            "--before-after or --window compares the baseline with itself; use only one of them,"
            " without --candidate"
        )
    if options.before_after:
        return before_and_after(baseline, options.before_after, options.since_seconds)
    if len(options.windows) == 1:
        raise PartiesError("there is only one --window; add another to compare it with")
    return windows_of(baseline, options.windows)
