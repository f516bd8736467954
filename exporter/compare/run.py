"""From what the command line asks for to a report: live, from the past, or from a file."""

from __future__ import annotations

from exporter.compare import live, samples_file
from exporter.compare.errors import PartiesError
from exporter.compare.options import Asking, Options
from exporter.compare.past import history
from exporter.compare.past.prometheus import Prometheus
from exporter.compare.samples_file import Recorder
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.looking import judge


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
    return live.report(options, options.baseline)


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
