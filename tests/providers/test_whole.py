"""Size limits of an answer in one piece: large enough for batches of vectors and lists of
models."""

from __future__ import annotations

import pytest

from exporter.providers.base import ProtocolError
from exporter.providers.embeddings import OpenAIEmbeddings
from exporter.providers.listing import OpenAIModels
from exporter.providers.wire import MAX_DIGITS
from exporter.result import FailureReason
from tests.chaos.costly import filled

MEGABYTE = 1 << 20
DIALECTS = [OpenAIEmbeddings(), OpenAIModels()]


@pytest.mark.parametrize("dialect", DIALECTS, ids=["embeddings", "models"])
@pytest.mark.parametrize("piece", [b"{}", b'{"embedding":[]}', b'{"id":"x"}', b"0.1", b"[", b'"x"'])
def test_an_answer_of_too_many_parts_is_refused_while_it_comes(
    dialect: OpenAIEmbeddings | OpenAIModels, piece: bytes
) -> None:
    decoder = dialect.decoder()
    body = filled(b'{"data":[', piece, b"]}", 3 * MEGABYTE)
    reads = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    with pytest.raises(ProtocolError, match=str(dialect.max_parts)) as refused:
        list(map(decoder.feed, reads))
    assert refused.value.reason is FailureReason.TOO_LARGE


@pytest.mark.parametrize("size", [1, 300, 64 << 10])
def test_a_long_number_is_refused_however_it_is_split(size: int) -> None:
    decoder = OpenAIModels().decoder()
    body = b'{"data":[' + b"9" * MAX_DIGITS
    reads = [body[at : at + size] for at in range(0, len(body), size)]
    with pytest.raises(ProtocolError, match="digits"):
        list(map(decoder.feed, reads))
