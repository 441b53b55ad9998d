"""Message-IDs as threads compare them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.message.message_ids import ANCESTORS_KEPT, ThreadIds, message_ids, thread_ids


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", []),
        (b" <a@b>", [b"a@b"]),
        (b" <a@b> <c@d>\r\n <e@f>", [b"a@b", b"c@d", b"e@f"]),
        (b" <a@b><c@d>", [b"a@b", b"c@d"]),
        (b" <A@b> <a@B>", [b"A@b", b"a@B"]),  # case-sensitive
        # RFC 5256 3: the same Message-ID
        (b' <"01KF8JCEOCBS0045PS"@xxx.yyy.com>', [b"01KF8JCEOCBS0045PS@xxx.yyy.com"]),
        (b" <01KF8JCEOCBS0045PS@xxx.yyy.com>", [b"01KF8JCEOCBS0045PS@xxx.yyy.com"]),
        (b' <"a\\"b"@c> <"a b"@c> <"a@b"@c> <"a>b"@c>', [b'a"b@c', b"a b@c", b"a@b@c", b"a>b@c"]),
        (b" < a@b >", [b"a@b"]),
        (b" <a\r\n @b>", [b"a@b"]),
        (b" <a@[127.0.0.1]>", [b"a@[127.0.0.1]"]),
        # not valid
        (b" <ab> <@b> <a@> <> <a@b", []),
        (b" a@b", []),
        (b" Your message of Tue <a@b> from bob@x <c@d>", [b"a@b", b"c@d"]),
        (b" <<a@b>>", [b"a@b"]),
        (b" <x <a@b>", [b"a@b"]),
        ("<ä@b>".encode(), ["ä@b".encode()]),
    ],
)
def test_message_ids(value: bytes, expected: list[bytes]) -> None:
    assert message_ids(value) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"", ThreadIds(b"", [])),
        (b"Message-ID: <a@b>\r\n", ThreadIds(b"a@b", [])),
        (b"message-id : <a@b>\r\nMESSAGE-ID: <c@d>\r\n", ThreadIds(b"a@b", [])),
        (b"In-Reply-To: <a@b> <c@d>\r\nMessage-ID: nothing\r\n", ThreadIds(b"", [b"a@b"])),
        (b"In-Reply-To: <a@b>\r\nReferences: <c@d>\r\n\t<e@f>\r\n", ThreadIds(b"", [b"c@d", b"e@f"])),
        (b"In-Reply-To: <a@b>\r\nReferences: none\r\n", ThreadIds(b"", [b"a@b"])),
        (b"X-References: <a@b>\r\nSubject: x\r\n Message-ID: <a@b>\r\n", ThreadIds(b"", [])),
        (b"References: <a@b>", ThreadIds(b"", [b"a@b"])),
    ],
)
def test_fields(header: bytes, expected: ThreadIds) -> None:
    assert thread_ids(header) == expected


def test_the_nearest_ancestors_are_kept() -> None:
    for count in (ANCESTORS_KEPT, ANCESTORS_KEPT + 1, 5000):
        found = thread_ids(b"References:" + b"".join(b" <%d@x>" % n for n in range(count)) + b"\r\n")
        assert found.references[-1] == b"%d@x" % (count - 1)
        assert len(found.references) == min(count, ANCESTORS_KEPT)


def test_hostile_values_take_linear_time() -> None:
    for piece in (b"<", b'<"', b"<a@b", b'"', b"\\", b"<a@b>", b'<"\\', b"@", b'<"a', b"<\\"):
        message_ids(piece * (1 << 17))


@given(st.binary())
def test_any_bytes(value: bytes) -> None:
    for message_id in message_ids(value):
        assert b"@" in message_id[1:-1]
        assert message_ids(b"<" + message_id + b">") in ([message_id], []) or b'"' in value
