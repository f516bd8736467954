"""The fuzz targets with hypothesis: arbitrary bytes, and damaged examples."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, seeds

DAMAGE = st.tuples(st.integers(0, 4000), st.integers(0, 60), st.binary(max_size=30))


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_whatever_comes_is_understood_or_refused(name: str, data: st.DataObject) -> None:
    examples = list(seeds(name))
    text = data.draw(st.one_of(st.binary(max_size=300), st.sampled_from(examples)))
    for start, length, replacement in data.draw(st.lists(DAMAGE, max_size=4)):
        text = text[:start] + replacement + text[start + length :]
    TARGETS[name](text[:4096])
