"""LDAP's messages: whole, bounded, whatever packets they come in, and junk that ends in one clear answer."""

from __future__ import annotations

import random

import pytest
import sansldap

from postier.ldap.wire.core import (
    MAX_MESSAGE,
    PASSWORD_POLICY,
    Answer,
    BadFilter,
    Entry,
    LdapCore,
    Malformed,
    Reference,
    Result,
    check_filter,
    frame_length,
)


def asked(core: LdapCore) -> sansldap.LDAPServer:
    """A server that has heard what the core had to say."""
    server = sansldap.LDAPServer()
    server.receive(core.outgoing())
    return server


def answers(core: LdapCore, data: bytes, piece: int = 0) -> list[Answer]:
    found = []
    for start in range(0, len(data), piece or len(data)):
        core.receive(data[start : start + (piece or len(data))])
        while (answer := core.next_event()) is not None:
            found.append(answer)
    return found


def listing() -> bytes:
    core = LdapCore()
    core.search("dc=x", "(objectClass=*)", ["mail"], page=(10, b""))
    server = asked(core)
    photo = sansldap.PartialAttribute("jpegPhoto;binary", [bytes(range(256))])
    server.search_result_entry(1, "cn=a", [sansldap.PartialAttribute("Mail", [b"a@x.test", b""]), photo])
    server.search_result_reference(1, ["ldap://other/dc=y"])
    paging = sansldap.PagedResultControl(False, 0, b"next")
    server.search_result_done(1, controls=[paging], diagnostics_message="well\0")
    return server.data_to_send()


@pytest.mark.parametrize("piece", [0, 1, 7])
def test_a_search_however_it_is_cut(piece: int) -> None:
    core = LdapCore()
    core.search("dc=x", "(objectClass=*)", ["mail"])
    assert answers(core, listing(), piece) == [
        Entry("cn=a", {"mail": (b"a@x.test", b""), "jpegphoto;binary": (bytes(range(256)),)}),
        Reference(("ldap://other/dc=y",)),
        Result(0, "well", b"next"),
    ]
    assert not core.has_buffered_input()


def test_a_bind_asks_for_the_words_of_a_password_policy() -> None:
    core = LdapCore()
    core.bind("cn=a", "secret")
    server = sansldap.LDAPServer()
    (request,) = server.receive(core.outgoing())
    assert [control.control_type for control in request.controls] == [PASSWORD_POLICY]
    policy = sansldap.LDAPControl(PASSWORD_POLICY, False, b"\x30\x03\x81\x01\x01")
    server.bind_response(1, result_code=sansldap.LDAPResultCode.INVALID_CREDENTIALS, controls=[policy])
    assert answers(core, server.data_to_send()) == [Result(49, "", b"", 1)]


def test_a_name_without_a_password_is_never_sent() -> None:
    with pytest.raises(ValueError, match="without a password"):
        LdapCore().bind("cn=a", "")


def test_the_longest_answer_and_one_past_it() -> None:
    header = b"\x30\x84" + MAX_MESSAGE.to_bytes(4)
    assert frame_length(header) == MAX_MESSAGE + 6
    with pytest.raises(ValueError, match="are the most"):
        frame_length(b"\x30\x84" + (MAX_MESSAGE + 1).to_bytes(4))
    with pytest.raises(ValueError, match="are the most"):
        frame_length(b"\x30\x84\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="are the most"):
        frame_length(b"\x30\x82\x01\x01", 256)


@pytest.mark.parametrize(
    "junk",
    [
        b"HTTP/1.1 400 Bad Request",
        b"\x30\x80\x00\x00",
        b"\x30\x85\x00\x00\x00\x00\x01",
        b"\x30\x02\x02\x01",
        b"\x16",
    ],
)
def test_what_is_no_ldap_ends_the_connection(junk: bytes) -> None:
    core = LdapCore()
    core.search("dc=x", "(objectClass=*)", [])
    (answer,) = answers(core, junk)
    assert isinstance(answer, Malformed)
    assert answers(core, listing()) == []


def test_broken_answers_end_in_one_clear_event() -> None:
    chance = random.Random(4511)
    whole = listing()
    for _ in range(3000):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            broken[chance.randrange(len(broken))] = chance.choice((0, 1, 0x30, 0x80, 0x84, 0xFF))
        core = LdapCore()
        core.search("dc=x", "(objectClass=*)", ["mail"])
        assert sum(isinstance(answer, Malformed) for answer in answers(core, bytes(broken))) <= 1


def test_an_attribute_of_ten_megabytes() -> None:
    core = LdapCore()
    core.search("dc=x", "(objectClass=*)", ["description"])
    server = asked(core)
    server.search_result_entry(1, "cn=a", [sansldap.PartialAttribute("description", [b"x" * 10_000_000])])
    (entry,) = answers(core, server.data_to_send(), 32_768)
    assert isinstance(entry, Entry)
    assert len(entry.attributes["description"][0]) == 10_000_000


@pytest.mark.parametrize("text", ["", "(", "mail=", "(&", "(((((", "(cn=a))", "(!)", "(cn=\\zz)"])
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(BadFilter):
        check_filter(text)


def test_a_deep_filter_is_refused_or_read() -> None:
    text = "(!" * 5000 + "(cn=a)" + ")" * 5000
    with pytest.raises(BadFilter):
        check_filter(text)
