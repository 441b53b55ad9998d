"""Domain names: their one form, and which of them can take mail."""

from __future__ import annotations

import pytest

from postier.base.domain import AddressLiteral, Domain


@pytest.mark.parametrize(
    ("text", "ascii_form"),
    [
        ("Example.ORG.", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("XN--bcher-kva.example", "xn--bcher-kva.example"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_a_name_has_one_form(text: str, ascii_form: str) -> None:
    assert Domain.parse(text).ascii == ascii_form


@pytest.mark.parametrize(
    "text",
    ["", ".", "a..b", "-a.example", "a-.example", "a b.example", "a" * 64 + ".example", "a." * 127 + "ab"],
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ValueError):
        Domain.parse(text)


def test_people_see_unicode_where_it_comes_back() -> None:
    assert Domain.parse("xn--bcher-kva.example").unicode == "bücher.example"
    assert Domain("xn--a.example").unicode == "xn--a.example"  # no Punycode of any name


@pytest.mark.parametrize(
    ("text", "can"),
    [("orchard.test", True), ("localhost", False), ("ex_ample.org", False), ("_dmarc.orchard.test", False)],
)
def test_which_domains_can_take_mail(text: str, can: bool) -> None:
    assert Domain.parse(text).can_take_mail is can


@pytest.mark.parametrize("text", ["[192.0.2.1]", "[IPv6:2001:db8::1]"])
def test_address_literals_come_back(text: str) -> None:
    assert str(AddressLiteral.parse(text)) == text
