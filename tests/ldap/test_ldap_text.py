"""What strangers type is data in filters and names, whatever it is made of."""

from __future__ import annotations

import pytest
import sansldap
from hypothesis import given
from hypothesis import strategies as st

from postier.ldap.wire.core import check_filter
from postier.ldap.wire.text import Server, dn_key, dn_value, fill, filter_value, parse_server


@pytest.mark.parametrize(
    ("plain", "escaped"),
    [
        # RFC 4515 4
        (
            "Parens R Us (for all your parenthetical needs)",
            r"Parens R Us \28for all your parenthetical needs\29",
        ),
        ("*", r"\2a"),
        ("C:\\MyFile", r"C:\5cMyFile"),
        (b"\x00\x00\x00\x04", "\\00\\00\\00\x04"),
        ("Lučić", r"Lu\c4\8di\c4\87"),
        ("x)(uid=*))(|(uid=*", r"x\29\28uid=\2a\29\29\28|\28uid=\2a"),
    ],
)
def test_a_value_in_a_filter(plain: str | bytes, escaped: str) -> None:
    assert filter_value(plain) == escaped


@given(st.text())
def test_no_value_is_anything_but_a_value(text: str) -> None:
    parsed = check_filter(f"(&(objectClass=person)(mail={filter_value(text)}))")
    assert isinstance(parsed, sansldap.FilterAnd)
    _, compared = parsed.filters
    if text:
        assert isinstance(compared, sansldap.FilterEquality)
        assert compared.value == text.encode(errors="surrogateescape")


@pytest.mark.parametrize(
    ("plain", "escaped"),
    [
        # RFC 4514 4
        ('James "Jim" Smith, III', r"James \"Jim\" Smith\, III"),
        ("Before\rAfter", r"Before\0dAfter"),
        ("#begins", r"\#begins"),
        (" both ", r"\20both\20"),
        (" ", r"\20"),
        ("a\x00b", r"a\00b"),
        ("x,dc=evil", r"x\,dc\=evil"),
        ("Lučić", "Lučić"),
        ("a+b;c<d>e\\", r"a\+b\;c\<d\>e\\"),
    ],
)
def test_a_value_in_a_name(plain: str, escaped: str) -> None:
    assert dn_value(plain) == escaped


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CN=Smith\\, Jo,DC=example,DC=org", "cn=smith\\2c jo, dc=example , dc=org"),
        ("uid=anna,ou=People", "UID=Anna;OU=people"),
        ("cn=Lučić,dc=x", r"cn=Lu\C4\8Di\C4\87,dc=x".replace("\\C4\\8D", "č").replace("\\C4\\87", "ć")),
    ],
)
def test_one_name_written_in_two_ways(one: str, other: str) -> None:
    assert dn_key(one) == dn_key(other)


def test_different_names_stay_different() -> None:
    assert dn_key("cn=a\\,dc=x") != dn_key("cn=a,dc=x")
    assert dn_key("cn=a\\+b,dc=x") != dn_key("cn=a+b,dc=x")


@given(st.text())
def test_any_text_has_a_key(text: str) -> None:
    assert isinstance(dn_key(text), str)


def test_a_template_is_filled_once() -> None:
    assert fill("uid={user},dc=x", {"user": "{domain}", "domain": "b"}) == "uid={domain},dc=x"
    with pytest.raises(ValueError, match="known are user"):
        fill("{password}", {"user": "a"})


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("ldaps://LDAP.example.org", Server("ldap.example.org", 636, True)),
        ("ldap://ldap.example.org/", Server("ldap.example.org", 389, False)),
        ("ldap://[::1]:1389", Server("::1", 1389, False)),
        ("ldaps://192.0.2.1:3269", Server("192.0.2.1", 3269, True)),
    ],
)
def test_a_server(url: str, server: Server) -> None:
    assert parse_server(url) == server
    assert parse_server(str(server)) == server


@pytest.mark.parametrize(
    "url",
    ["", "ldap.example.org", "ldapi:///run", "ldap://a/dc=x", "ldap://a:0", "ldap://a:65536", "ldap://a b"],
)
def test_no_server(url: str) -> None:
    with pytest.raises(ValueError):
        parse_server(url)
