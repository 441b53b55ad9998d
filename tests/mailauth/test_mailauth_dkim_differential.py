"""Messages that dkimpy has signed, changed at random: both find the same in them."""

from __future__ import annotations

import asyncio
import re

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from postier.base.clock import SystemClock
from postier.mailauth.dkim import keys
from postier.mailauth.dkim.result import Dkim
from postier.mailauth.verifier import MessageVerifier
from postier.testing.dns import ZoneResolver

KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
TXT = keys.txt_record(KEY)
RESOLVER = ZoneResolver({"s._domainkey.a.test": [("TXT", TXT)]})
HEADER = b"From: Ann <ann@a.test>\r\nTo: bob@b.test\r\nSubject: Apples  and\r\n\tpears\r\n\r\n"
BODY = b"They are  ripe. \r\n\r\nAnn\t \r\n\r\n"

BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
FORMS = st.sampled_from([b"simple", b"relaxed"])
PIECES = st.sampled_from(
    [
        (b"\r\n\tpears", b" pears"),
        (b"Apples  and", b"Apples and"),
        (b"Subject:", b"SUBJECT:"),  # "SUBJECT :" is the same (RFC 6376 3.4.2), but not to dkimpy
        (b"From:", b"from:"),
        (b"bob@", b"rob@"),
        (b"ripe. \r\n", b"ripe.\r\n"),
        (b"are  ripe", b"are ripe"),
        (b"Ann\t \r\n\r\n", b"Ann\r\n"),
        (b"Ann\t \r\n\r\n", b"Ann\r\n\r\n\r\n\r\n"),
        (b"They", b"The y"),
        (b"From: Ann", b"From: Eve <eve@e.test>\r\nFrom: Ann"),
        (b"To: bob@b.test\r\n", b""),
        (b"To: ", b"X-Other: 1\r\nTo: "),
        (b"; d=a.test", b"; d=A.test"),
        (b"; d=", b";\r\n d="),
        (b"v=1;", b"v=1 ;"),
        (b"bh=", b"bh= "),
        (b"; b=", b"; b=\r\n\t "),
        (b"; b=", b"; b=A"),
    ]
)


def signed(header: bytes, body: bytes, *, length: bool) -> bytes:
    field: bytes = dkim.sign(
        HEADER + BODY, b"s", b"a.test", PEM, canonicalize=(header, body), length=length, include_headers=None
    )
    return field + HEADER + BODY


def ours(message: bytes) -> bool:
    header, _, body = message.partition(b"\r\n\r\n")
    verifier = MessageVerifier(header + b"\r\n")
    verifier.feed(body)
    results, _ = asyncio.run(verifier.finish(RESOLVER, SystemClock()))
    return [each.result for each in results] == [Dkim.PASS]


def theirs(message: bytes) -> bool:
    try:
        return bool(dkim.DKIM(message).verify(dnsfunc=lambda name, timeout=5: TXT.encode()))
    except (dkim.DKIMException, IndexError, ValueError):  # some fields that are broken break it
        return False


@settings(max_examples=120, deadline=None)
@given(FORMS, FORMS, st.booleans(), st.lists(PIECES, max_size=3))
def test_both_find_the_same(
    header: bytes, body: bytes, length: bool, changes: list[tuple[bytes, bytes]]
) -> None:
    message = signed(header, body, length=length)
    for old, new in changes:
        message = message.replace(old, new, 1)
    assert ours(message) == theirs(message), message


@settings(max_examples=120, deadline=None)
@given(FORMS, FORMS, st.integers(0, 10_000), st.sampled_from([b"", b" ", b"x", b"\r\n", b";"]))
def test_one_octet_less_or_more(header: bytes, body: bytes, place: int, new: bytes) -> None:
    message = signed(header, body, length=False)
    place %= len(message)
    message = message[:place] + new + message[place + 1 :]
    if b"\r\n\r\n" in message and not BARE.search(message):  # which no SMTP lets in
        assert ours(message) == theirs(message), message
