"""Compares candidates with a baseline, and gives verdicts.

Samples come from new probes (``live``) or from the past (``history``). ``analysis`` turns them into
a ``Report``, and ``reporting`` shows it. The statistics need numpy and scipy, which the extra
``compare`` installs.
"""
