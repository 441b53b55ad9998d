"""The reader of ClientHello: real ones, in any pieces; and what is none."""

from __future__ import annotations

import random
import ssl
import struct
from collections.abc import Sequence

import pytest

from postier.net.client_hello import (
    MAX_HELLO,
    MAX_RECORDS,
    NO_HELLO,
    ClientHello,
    HelloError,
    missing,
    parse,
)


def hello_of(name: str | None, protocols: Sequence[str] = (), version: int = ssl.TLSVersion.TLSv1_3) -> bytes:
    """What OpenSSL sends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion(version)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    channel = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        channel.do_handshake()
    return outgoing.read()


def vector(octets: int, content: bytes) -> bytes:
    return len(content).to_bytes(octets) + content


def hello(*extensions: tuple[int, bytes], tail: bytes = b"") -> bytes:
    """A message by hand."""
    body = b"\x03\x03" + bytes(32) + vector(1, b"") + vector(2, b"\x13\x01") + vector(1, b"\0")
    if extensions:
        body += vector(2, b"".join(struct.pack("!H", kind) + vector(2, data) for kind, data in extensions))
    body += tail
    return b"\x01" + vector(3, body)


def records(message: bytes, size: int = 16384) -> bytes:
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + vector(2, piece) for piece in pieces)


def server_name(name: bytes, kind: int = 0) -> tuple[int, bytes]:
    return 0, vector(2, bytes((kind,)) + vector(2, name))


def alpn(*names: bytes) -> tuple[int, bytes]:
    return 16, vector(2, b"".join(vector(1, name) for name in names))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_real_hello(version: int) -> None:
    data = hello_of("Mail.B.Example", ["imap", "x"], version)
    assert missing(data) == 0
    assert parse(data) == ClientHello("mail.b.example", (b"imap", b"x"))
    assert parse(hello_of(None, (), version)) == NO_HELLO


def test_it_may_come_octet_by_octet() -> None:
    data = hello_of("mail.b.example")
    for end in range(len(data)):
        wanted = missing(data[:end])
        assert 1 <= wanted <= len(data) - end
    # whoever waits for as many octets as are missing wakes up three times
    have, waits = 0, 0
    while wanted := missing(data[:have]):
        have, waits = have + wanted, waits + 1
    assert (have, waits) == (len(data), 3)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 20, 100])
def test_it_may_be_cut_into_records(size: int) -> None:
    message = hello(server_name(b"b.example"))
    data = records(message, size) + b"behind"
    if -(-len(message) // size) > MAX_RECORDS:
        with pytest.raises(HelloError, match="too many records"):
            missing(data)
        return
    assert missing(data) == 0
    assert missing(data[:-7]) == 1
    assert parse(data).server_name == "b.example"


def test_grease_and_encrypted_hellos_are_passed_over() -> None:
    grease = [(0x0A0A, b""), (0xFAFA, b"\0"), (0xFE0D, random.Random(1).randbytes(200))]
    data = records(hello(*grease, server_name(b"public.example"), alpn(b"\x0a\x0a", b"h2"), *grease))
    assert parse(data) == ClientHello("public.example", (b"\x0a\x0a", b"h2"))


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (b"b.example.", "b.example"),
        (b"XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        (b"_x.b.example", "_x.b.example"),
        (b"b.example\0.evil.example", ""),
        (b"b example", ""),
        (b"b\xfccher.example", ""),
        (b"../../etc/passwd", ""),
        (b"2001:db8::1", ""),
        (b"*.b.example", ""),
        (b"", ""),
        (b"a" * 253, "a" * 253),
        (b"a" * 254, ""),
        (b"a" * 8000, ""),
    ],
)
def test_what_is_taken_for_a_name(sent: bytes, name: str) -> None:
    assert parse(records(hello(server_name(sent)))).server_name == name


def test_a_name_of_another_kind_is_none() -> None:
    assert parse(records(hello(server_name(b"b.example", kind=7)))) == NO_HELLO


@pytest.mark.parametrize(
    "message",
    [
        hello(server_name(b"a.example"), server_name(b"b.example")),
        hello(alpn(b"imap"), alpn(b"pop3")),
        hello((0, b"")),
        hello((0, b"\0\x09\0\0\x09b.exa")),
        hello((16, b"\0\x05\x09imap")),
        hello(server_name(b"b.example"), tail=b"x"),
        hello()[:20],
        b"\x01\0\0\0",
        b"\x01\0\0\x01\x03",
    ],
)
def test_what_contradicts_itself_is_no_hello(message: bytes) -> None:
    data = records(b"\x01" + vector(3, message[4:]))
    assert missing(data) == 0
    with pytest.raises(HelloError):
        parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b"G",
        b"GET / HTTP/1.1\r\n",
        b"EHLO a.example\r\n",
        b"\x80\x2e\x01\x03\x01",  # SSL 2
        b"\x16\x02",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x40\x01",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x10\x02",
        b"\x16\x03\x01\x40\x00\x01\xff\xff\xff",
    ],
)
def test_what_can_not_become_a_hello_is_known_at_once(data: bytes) -> None:
    with pytest.raises(HelloError):
        missing(data)


@pytest.mark.parametrize("past", [0, 1, 40_000])
def test_the_longest_hello(past: int) -> None:
    message = hello((0x2A2A, bytes(MAX_HELLO - len(hello((0x2A2A, b""))) + past)))
    assert len(message) == MAX_HELLO + past
    if past:
        with pytest.raises(HelloError, match="too long"):
            missing(records(message))
    else:
        assert parse(records(message)) == NO_HELLO


def test_only_so_many_protocols_are_kept() -> None:
    data = records(hello(alpn(*(b"%d" % number for number in range(2000)))))
    assert len(parse(data).protocols) == 32
