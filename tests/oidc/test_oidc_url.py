"""Which addresses are asked at all."""

from __future__ import annotations

import pytest

from postier.fetch.url import BadUrl, Url, parse_url

GOOD = {
    "https://id.example.com/realms/main": Url(True, "id.example.com", 443, "/realms/main"),
    "https://ID.example.com:8443": Url(True, "id.example.com", 8443, "/"),
    "https://[2001:db8::1]:8443/x?y=z": Url(True, "2001:db8::1", 8443, "/x?y=z"),
    "http://127.0.0.1:8080/x": Url(False, "127.0.0.1", 8080, "/x"),
    "http://[::1]/x": Url(False, "::1", 80, "/x"),
    "http://localhost/": Url(False, "localhost", 80, "/"),
}


@pytest.mark.parametrize(("text", "url"), GOOD.items())
def test_an_address_is_read(text: str, url: Url) -> None:
    assert parse_url(text) == url


def test_the_host_field_names_a_port_that_is_not_the_usual_one() -> None:
    assert parse_url("https://id.example.com/").authority == "id.example.com"
    assert parse_url("https://[2001:db8::1]:444/").authority == "[2001:db8::1]:444"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "id.example.com",
        "http://id.example.com/",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com/",
        "http://192.0.2.1/",
        "ftp://id.example.com/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://user@id.example.com/",
        "https://user:word@id.example.com/",
        "https://id.example.com/#fragment",
        "https://id.example.com:0x50/",
        "https://id.example.com:99999/",
        "https://id.example.com/a b",
        "https://id.example.com/\r\nX: y",
        "https://id.example.com/é",
        "https://[::1/",
        "https://-.example.com/",
    ],
)
def test_other_addresses_are_not_asked(text: str) -> None:
    with pytest.raises(BadUrl):
        parse_url(text)
