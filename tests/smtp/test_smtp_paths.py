"""Addresses and parameters of MAIL and RCPT."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from postier.base.address import Address
from postier.base.cursor import ParseError
from postier.smtp.wire.params import MAIL_PARAMS, RCPT_PARAMS, decode_xtext, parse_params
from postier.smtp.wire.paths import PathCursor
from postier.smtp.wire.replies import CommandError
from postier.testing.vectors import vectors_dir

VALID = {"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN", "ISEMAIL_RFC5321"}
OURS = [
    (43, '""@iana.org'),  # grammatical, but an empty name can be nobody's: refused
    (
        71,
        "test@[IPv6:1111:2222:3333:4444:5555:6666::8888]",
    ),  # :: for one group: means one thing only, accepted
]
ALL = frozenset({"SIZE", "8BITMIME", "SMTPUTF8", "AUTH", "DSN"})


def parse(text: bytes) -> Address | None:
    cursor = PathCursor(text)
    path = cursor.forward_path()
    cursor.end()
    return path


def as_vector(test: ElementTree.Element) -> tuple[str, bool]:
    address = "".join(
        chr(ord(c) - 0x2400) if 0x2400 <= ord(c) <= 0x2421 else c for c in test.findtext("address") or ""
    )
    return address, test.findtext("category") in VALID


def test_every_address_of_the_vectors():
    root = ElementTree.parse(vectors_dir("addresses") / "tests.xml").getroot()
    wrong = []
    for number, test in enumerate(root.iter("test"), 1):
        address, is_valid = as_vector(test)
        try:
            parse(b"<" + address.encode() + b">")
            accepted = True
        except ParseError:
            accepted = False
        if accepted != is_valid:
            wrong.append((number, address))
    assert wrong == OURS


@pytest.mark.parametrize(
    ("path", "address"),
    [
        (b"<bob@b.example>", "bob@b.example"),
        (b"<Bob@B.Example>", "Bob@b.example"),
        (b'<"bob smith"@b.example>', '"bob smith"@b.example'),
        (b'<"b\\ob"@b.example>', "bob@b.example"),
        (b"<@relay.example,@other.example:bob@b.example>", "bob@b.example"),
        (b"<bob@[192.0.2.1]>", "bob@[192.0.2.1]"),
        (b"<bob@[IPv6:2001:db8::1]>", "bob@[IPv6:2001:db8::1]"),
        ("<bücher@bücher.example>".encode(), "bücher@xn--bcher-kva.example"),
    ],
)
def test_paths(path: bytes, address: str):
    assert str(parse(path)) == address


@pytest.mark.parametrize(
    "path",
    [
        b"bob@b.example", b"<bob>", b"<bob@>", b"<@b.example>", b"<bob@b.example", b"<bob@b.example.>",
        b"<bob@b..example>", b"<.bob@b.example>", b"<bob.@b.example>", b"<b..ob@b.example>",
        b"<bob@-b.example>",
        b'<"bob@b.example>', b"<bob@[192.0.2.256]>", b"<bob@[x]>", b"<bob@b.example>x", b"<b ob@b.example>",
        b"<b\xffob@b.example>", b"<" + b"a" * 65 + b"@b.example>", b"<a@" + b"a" * 64 + b".example>",
        b"<@a.example:@b.example:c@d.example>", b'<"a\x01"@b.example>', b"<a@b@c.example>", b"<>",
    ],
)  # fmt: skip
def test_what_is_no_path(path: bytes):
    with pytest.raises(ParseError):
        parse(path)


def test_null_path_and_postmaster():
    assert PathCursor(b"<>").reverse_path() is None
    assert PathCursor(b"<PostMaster>").forward_path() is None


def test_non_ascii_is_noticed_also_in_the_domain():
    for path, utf8 in (("<a@bücher.example>", True), ("<ü@b.example>", True), ("<a@b.example>", False)):
        cursor = PathCursor(path.encode())
        cursor.path()
        assert cursor.utf8 is utf8


def test_hostile_paths_cost_linear_time():
    for hostile in (b"<" + b"a." * 500_000, b'<"' + b"\\a" * 500_000, b"<" + b"@a," * 100_000 + b"@"):
        with pytest.raises(ParseError):
            parse(hostile)  # anything quadratic would take hours


def mail_params(text: bytes) -> dict[str, str | int | bool]:
    return parse_params(PathCursor(text), MAIL_PARAMS, ALL)


def test_mail_parameters():
    assert mail_params(b" size=1000 body=8bitmime SMTPUTF8 AUTH=a+40b RET=hdrs ENVID=x+3Dy") == {
        "size": 1000, "body": "8BITMIME", "smtputf8": True, "auth": "a@b", "ret": "HDRS", "envid": "x+3Dy",
    }  # fmt: skip
    assert mail_params(b" AUTH=<>") == {"auth": ""}
    assert mail_params(b" ") == {}


@pytest.mark.parametrize(
    "text",
    [
        b" SIZE", b" SIZE=", b" SIZE=x", b" SIZE=-1", b" SIZE=" + b"9" * 21, b" SIZE=1 SIZE=1", b" BODY=9BIT",
        b" BODY", b" SMTPUTF8=1", b" RET=ALL", b" ENVID=", b" ENVID=+zz", b" ENVID=" + b"x" * 101,
        b" AUTH=a=b", b"SIZE=1",
    ],
)  # fmt: skip
def test_bad_mail_parameters(text: bytes):
    with pytest.raises((CommandError, ParseError)) as error:
        mail_params(text)
    if isinstance(error.value, CommandError):
        assert error.value.reply.code == 501


@pytest.mark.parametrize("text", [b" XYZ", b" XYZ=1", b" NOTIFY=NEVER"])
def test_unknown_parameters(text: bytes):
    with pytest.raises(CommandError) as error:
        mail_params(text)
    assert error.value.reply.code == 555


def test_a_parameter_of_an_extension_that_is_not_offered_is_unknown():
    for row in (*MAIL_PARAMS.values(), *RCPT_PARAMS.values()):
        table = MAIL_PARAMS if row in MAIL_PARAMS.values() else RCPT_PARAMS
        with pytest.raises(CommandError) as error:
            parse_params(PathCursor(b" " + row.keyword + b"=1"), table, ALL - {row.extension})
        assert error.value.reply.code == 555


def test_recipient_parameters():
    def read(text: bytes) -> dict[str, str | int | bool]:
        return parse_params(PathCursor(text), RCPT_PARAMS, ALL)

    assert read(b" NOTIFY=success,FAILURE ORCPT=rfc822;bob+40b.example") == {
        "notify": "SUCCESS,FAILURE",
        "orcpt": "rfc822;bob+40b.example",
    }
    for bad in (
        b"NOTIFY=NEVER,DELAY",
        b"NOTIFY=",
        b"NOTIFY=DELAY,DELAY",
        b"NOTIFY=X",
        b"ORCPT=x",
        b"ORCPT=;x",
        b"ORCPT=rfc822;",
        b"ORCPT=rfc822;bob+news@b.example",
        b"ORCPT=rfc822;bob+2b@b.example",
        b"ORCPT=rfc822;" + b"x" * 494,
        b"ORCPT=utf-8;\xff@b.example",
    ):
        with pytest.raises((CommandError, ParseError)):
            read(b" " + bad)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("utf-8;jürgen@b.example", "utf-8;j\\x{FC}rgen@b.example"),
        ("utf-8;j\\x{FC}rgen@b.example", "utf-8;j\\x{FC}rgen@b.example"),
        ("UTF-8;中@b.example", "UTF-8;\\x{4E2D}@b.example"),
        ("rfc822;jürgen@b.example", "rfc822;j+C3+BCrgen@b.example"),
    ],
)
def test_an_original_recipient_beyond_ascii_is_kept_in_the_form_that_every_host_takes(said: str, kept: str):
    found = parse_params(PathCursor(f" ORCPT={said}".encode()), RCPT_PARAMS, ALL)
    assert found == {"orcpt": kept}


def test_xtext():
    assert decode_xtext("a+2Bb+40c") == "a+b@c"
    assert decode_xtext("+C3+BC") == "ü"
    assert decode_xtext("+FF") == "\ufffd"


@pytest.mark.parametrize("hidden", ["\x85", "\x9b31m", "\u2028", "\u2029"])
def test_controls_of_unicode_are_no_part_of_an_address(hidden: str) -> None:
    """They would move the terminal of who lists the queue, or end a line."""
    with pytest.raises(ParseError):
        parse(f"<a{hidden}b@a.example>".encode())
