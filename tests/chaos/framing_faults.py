"""HTTP that is invalid, or meant to confuse."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.result import FailureReason as R
from tests.chaos.script import CHUNKED, DONE, GOOD, OK, SUCCESS, WHOLE, Behaviour, said
from tests.wire import LAST_CHUNK, STREAM_HEAD, Act, Step, chunk


def framings() -> Iterator[Behaviour]:
    """Yield HTTP that is invalid, or meant to confuse."""
    whole = GOOD + DONE
    yield Behaviour(
        "a length that is too long",
        [OK + b"content-length: 9999\r\n\r\n" + said(), Act.CLOSE],
        (R.TRUNCATED,),
    )
    yield Behaviour(
        "a length that is too short",
        [OK + b"content-length: 9\r\n\r\n" + whole, Act.CLOSE],
        (R.TRUNCATED, R.PROTOCOL),
    )
    for name, header in {
        "of -1": b"content-length: -1\r\n",
        "of a word": b"content-length: many\r\n",
        "of 0x9": b"content-length: 0x9\r\n",
        "of 21 digits": b"content-length: 999999999999999999999\r\n",
        "twice": b"content-length: 5\r\ncontent-length: 6\r\n",
    }.items():
        yield Behaviour(f"a length {name}", [OK + header + b"\r\n", Act.CLOSE], (R.PROTOCOL,))
    both = OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"
    yield Behaviour("a length and chunks", [both, chunk(whole), LAST_CHUNK], (SUCCESS, R.PROTOCOL))
    for name, data in {
        "of a word": b"zz\r\n",
        "of -5": b"-5\r\nhello\r\n",
        "of 21 digits": b"f" * 21 + b"\r\n",
        "that is too short": b"1\r\nhello\r\n",
        "without CR": b"5\nhello\n",
        "with a long extension": b"5;" + b"x" * 99_999 + b"\r\n",
    }.items():
        yield Behaviour(
            f"a chunk {name}", [STREAM_HEAD, data, Act.CLOSE], (R.PROTOCOL, R.TRUNCATED)
        )
    extended = b"%x;a=b\r\n%s\r\n" % (len(whole), whole)
    yield Behaviour("a chunk with an extension", [STREAM_HEAD, extended, LAST_CHUNK], (SUCCESS,))
    trailers = [STREAM_HEAD, chunk(whole), b"0\r\nx: y\r\n\r\n"]
    yield Behaviour("trailers", trailers, (SUCCESS,))
    yield Behaviour(
        "countless trailers",
        [STREAM_HEAD, chunk(said()), b"0\r\n" + b"x: y\r\n" * 9999],
        (R.TOO_LARGE, R.PROTOCOL),
    )
    yield Behaviour("no length and no chunks", [OK + b"\r\n" + whole, Act.CLOSE], (SUCCESS,))
    yield Behaviour("HTTP/1.0", [b"HTTP/1.0 200 OK\r\n\r\n" + whole, Act.CLOSE], (SUCCESS,))
    yield Behaviour("HTTP/0.9", [whole, Act.CLOSE], (R.PROTOCOL,))
    yield Behaviour(
        "HTTP/2",
        [b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\1\0\0\0\5\0\xff\xff\xff", Act.CLOSE],
        (R.PROTOCOL,),
    )
    yield Behaviour("HTTP/3.0", [b"HTTP/3.0 200 OK\r\n\r\n", Act.CLOSE], (R.PROTOCOL, R.TRUNCATED))
    yield Behaviour("TLS", [b"\x15\x03\x03\0\2\2\x46", Act.CLOSE], (R.PROTOCOL,))
    yield Behaviour("SSH", [b"SSH-2.0-x\r\n", Act.CLOSE], (R.PROTOCOL, R.CONNECT))
    yield Behaviour("SMTP", [b"220 mail ESMTP\r\n", Act.CLOSE], (R.PROTOCOL, R.CONNECT))
    yield Behaviour("noise", [bytes(range(256)) * 40, Act.CLOSE], (R.PROTOCOL,))
    yield Behaviour("empty lines first", [b"\r\n\r\n", *WHOLE], (R.PROTOCOL, SUCCESS))
    yield Behaviour("a header without a name", [OK + b": x\r\n\r\n", Act.CLOSE], (R.PROTOCOL,))
    yield Behaviour("a header without a colon", [OK + b"hello\r\n\r\n", Act.CLOSE], (R.PROTOCOL,))
    yield Behaviour("a header with a NUL", [OK + b"x: \0\r\n\r\n", Act.CLOSE], (R.PROTOCOL,))
    yield Behaviour("a header in Latin-1", [CHUNKED + b"x: \xe9\r\n\r\n", *WHOLE[1:]], (SUCCESS,))
    yield Behaviour("folded headers", [CHUNKED + b"x: y\r\n z\r\n\r\n", *WHOLE[1:]], (SUCCESS,))
    yield Behaviour("space before a colon", [OK + b"x : y\r\n\r\n", Act.CLOSE], (R.PROTOCOL,))
    yield Behaviour(
        "300 headers", [CHUNKED + b"x: y\r\n" * 300 + b"\r\n", *WHOLE[1:]], (R.TOO_LARGE,)
    )
    yield Behaviour(
        "a header of 10 kB",
        [CHUNKED + b"x: " + b"y" * 10_000 + b"\r\n\r\n", *WHOLE[1:]],
        (SUCCESS,),
    )
    yield Behaviour(
        "a header of 99 kB",
        [CHUNKED + b"x: " + b"y" * 99_000 + b"\r\n\r\n", *WHOLE[1:]],
        (R.PROTOCOL,),
    )
    yield Behaviour(
        "no reason phrase",
        [b"HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n", *WHOLE[1:]],
        (SUCCESS,),
    )
    yield Behaviour(
        "an unknown coding", [OK + b"transfer-encoding: x\r\n\r\n", Act.CLOSE], (R.PROTOCOL,)
    )
    for coding in (b"gzip", b"br", b"zstd", b"deflate"):
        encoded = [CHUNKED + b"content-encoding: " + coding + b"\r\n\r\n", *WHOLE[1:]]
        yield Behaviour(f"a body in {coding.decode()}", encoded, (R.PROTOCOL,))
    for coding in (b"identity", b"none", b"", b"Identity"):
        encoded = [CHUNKED + b"content-encoding: " + coding + b"\r\n\r\n", *WHOLE[1:]]
        yield Behaviour(f"a body in {coding.decode()!r}", encoded, (SUCCESS,))
    for status in (100, 102, 103):
        interim = b"HTTP/1.1 %d Wait\r\nlink: x\r\n\r\n" % status
        yield Behaviour(f"{status} first", [interim, *WHOLE], (SUCCESS,))
    yield Behaviour(
        "a hundred interim responses", [b"HTTP/1.1 103 Wait\r\n\r\n" * 100, *WHOLE], (SUCCESS,)
    )
    yield Behaviour(
        "101", [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n"], (R.PROTOCOL,)
    )
    # One write, because a late second answer looks exactly like the answer to the next request.
    yield Behaviour(
        "two answers at once", [(STREAM_HEAD + chunk(whole) + LAST_CHUNK) * 2], (SUCCESS,)
    )
    yield Behaviour(
        "one byte in each chunk",
        [STREAM_HEAD, *[chunk(bytes([b])) for b in whole], LAST_CHUNK],
        (SUCCESS,),
    )
    yield Behaviour(
        "one byte in each write", [*_bytes(STREAM_HEAD), chunk(whole), LAST_CHUNK], (SUCCESS,)
    )


def ambiguities() -> Iterator[Behaviour]:
    """Yield HTTP that parsers understand differently."""
    whole = GOOD + DONE
    size = b"%d" % len(whole)
    with_sign = OK + b"content-length: +" + size + b"\r\n\r\n"
    yield Behaviour("a length with a sign", [with_sign + whole], (R.PROTOCOL,))
    repeated = OK + b"content-length: " + size + b", " + size + b"\r\n\r\n"
    yield Behaviour("a length that is repeated", [repeated + whole], (SUCCESS,))
    for coding in (b"chunked, chunked", b"gzip, chunked"):
        head = OK + b"transfer-encoding: " + coding + b"\r\n\r\n"
        yield Behaviour(
            f"a transfer coding of {coding.decode()!r}",
            [head + chunk(whole) + LAST_CHUNK, Act.CLOSE],
            (R.PROTOCOL,),
        )
    yield Behaviour(
        "a chunk's length after 5,000 zeros",
        [STREAM_HEAD + b"0" * 5_000 + chunk(whole) + LAST_CHUNK],
        (SUCCESS,),
    )
    yield Behaviour(
        "a connection that is to close and stays open",
        [OK + b"connection: close\r\n\r\n" + whole, Act.HANG],
        (SUCCESS,),
    )


def _bytes(data: bytes) -> list[Step]:
    return [bytes([byte]) for byte in data]
