"""Compares candidates with a baseline and gives verdicts.

Samples come from new probes (``live``) or from past probes (``past``). ``statistics`` turns them
into a ``Report``, and ``report`` shows it. The statistics need numpy and scipy, which the extra
``compare`` installs.
"""
