"""The verdict: does a candidate beat the baseline?

Samples come from probes asked now (``live``) or from the past (``history``); ``analysis`` turns
them into a ``Report``, and ``reporting`` shows it. The statistics need numpy and scipy, which the
extra ``compare`` installs.
"""
