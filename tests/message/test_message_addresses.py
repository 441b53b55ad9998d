"""Address lists of header fields (RFC 5322 3.4 and 4.4)."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from postier.base.domain import Domain
from postier.message.addresses import Group, Mailbox, author_domains, parse_address_list
from postier.testing.vectors import vectors_dir

ONE = [
    (b"a@b.example", Mailbox("", "a", "b.example")),
    (b"<a@b.example>", Mailbox("", "a", "b.example")),
    (b"Joe Q. Public <john.q.public@example.com>", Mailbox("Joe Q. Public", "john.q.public", "example.com")),
    (b'"Joe, Q" <j@x.example>', Mailbox("Joe, Q", "j", "x.example")),
    (
        b'"Giant; \\"Big\\" Box" <sysservices@example.net>',
        Mailbox('Giant; "Big" Box', "sysservices", "example.net"),
    ),
    (b"=?utf-8?q?J=C3=B6rg?= <j@x.example>", Mailbox("Jörg", "j", "x.example")),
    ("Jörg <jörg@köln.example>".encode(), Mailbox("Jörg", "jörg", "köln.example")),
    (
        b"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
        Mailbox("Pete", "pete", "silly.test"),
    ),
    (b"jdoe@one.example (John Doe)", Mailbox("John Doe", "jdoe", "one.example")),
    (b"Who? <one@y.example>", Mailbox("Who?", "one", "y.example")),
    (b"Mary Smith <@machine.tld:mary@example.net>", Mailbox("Mary Smith", "mary", "example.net")),
    (b"john . doe @ example . com", Mailbox("", "john.doe", "example.com")),
    (b'"a b"@x.example', Mailbox("", "a b", "x.example")),
    (b"a@[192.0.2.1]", Mailbox("", "a", "[192.0.2.1]")),
    (b"other@one.example <real@two.example>", Mailbox("other@one.example", "real", "two.example")),
    (b"a\r\n <a@x.example>", Mailbox("a", "a", "x.example")),
    (b"MAILER-DAEMON", Mailbox("", "MAILER-DAEMON", "", valid=False)),
    (b"Mary Smith", Mailbox("Mary Smith", "", "", valid=False)),
    (b"a@b@c", Mailbox("", "a", "b@c", valid=False)),
    (b"<a\0@b>", Mailbox("", "a\ufffd", "b", valid=False)),
    (b"<a@b", Mailbox("", "a", "b", valid=False)),
]


@pytest.mark.parametrize(("raw", "mailbox"), ONE, ids=lambda value: str(value)[:40])
def test_one_mailbox(raw: bytes, mailbox: Mailbox) -> None:
    assert parse_address_list(raw) == (mailbox,)


def test_the_groups_of_rfc_5322_a_1_3() -> None:
    raw = b"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;, x@y.example"
    group, after = parse_address_list(raw)
    assert isinstance(group, Group)
    assert group.display_name == "A Group"
    assert [mailbox.address for mailbox in group.mailboxes] == ["c@a.test", "joe@where.test", "jdoe@one.test"]
    assert isinstance(after, Mailbox)
    assert parse_address_list(b"Undisclosed recipients:;") == (Group("Undisclosed recipients", ()),)


def test_empty_elements_are_passed_over() -> None:
    assert [item.display_name for item in parse_address_list(b" , (nobody),, a <a@b.c>,")] == ["a"]


AUTHORS = [
    ([b"a@x.example"], ("x.example",)),
    ([b"A <a@X.Example>, b@x.example"], ("x.example",)),
    ([b"a@x.example, b@y.example"], ("x.example", "y.example")),
    ([b"a@x.example", b"b@y.example"], ("x.example", "y.example")),
    (["a@köln.example".encode()], ("xn--kln-sna.example",)),
    ([b'"bank@bank.example" <a@x.example>'], ("x.example",)),
    ([b"Some group: a@x.example;"], ("x.example",)),
    ([b"<a@x.example> <b@y.example>"], ("x.example", "y.example")),
    ([b"a@x.example@y.example"], ("x.example", "y.example")),
    ([b"<a@x.example, b@y.example>"], ("x.example", "y.example")),
    ([b"a@(x) x.example"], ("x.example",)),
    ([b"Nobody:;"], ()),
    ([b"a@[192.0.2.1]"], ()),
    ([b"nobody"], ()),
    ([b""], ()),
    ([], ()),
]


@pytest.mark.parametrize(("fields", "domains"), AUTHORS, ids=str)
def test_author_domains(fields: list[bytes], domains: tuple[str, ...]) -> None:
    assert author_domains(fields) == tuple(map(Domain, domains))


OTHERWISE = {
    "160": "UTF-8 is text here (RFC 6532 3.1)",
    "161": "no mail goes to a domain with a slash",
}


def cases() -> list[tuple[str, bytes, bool]]:
    found = []
    for test in ET.parse(vectors_dir("addresses") / "tests.xml").getroot().iter("test"):
        text = test.findtext("address") or ""
        text = "".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) <= 0x2420 else c for c in text)
        number = test.get("id") or ""
        if number not in OTHERWISE and not set(text) & set("\r\n\0"):  # a field is unfolded before this
            found.append((number, text.encode(), test.findtext("category") != "ISEMAIL_ERR"))
    return found


CASES = cases()


@pytest.mark.parametrize(("number", "raw", "allowed"), CASES, ids=[case[0] for case in CASES])
def test_isemail(number: str, raw: bytes, allowed: bool) -> None:
    found = parse_address_list(raw)
    assert (len(found) == 1 and isinstance(found[0], Mailbox) and found[0].valid) == allowed
