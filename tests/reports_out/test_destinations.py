"""URIs out of records that anybody can publish."""

from __future__ import annotations

import pytest

from postier.reports.out.destinations import MAX_URIS, destination_of, destinations_of, tlsrpt_uris

BOTH = ("mailto", "https")


@pytest.mark.parametrize(
    ("records", "uris"),
    [
        ([b"v=TLSRPTv1; rua=mailto:a@b.example"], ("mailto:a@b.example",)),
        ([b"v=TLSRPTv1;rua=mailto:a@b.example , https://b.example/x"],
         ("mailto:a@b.example", "https://b.example/x")),
        ([b"v=TLSRPTv1 ; x=y; rua=mailto:a@b.example;"], ("mailto:a@b.example",)),
        ([b"v=spf1 -all", b"v=TLSRPTv1; rua=mailto:a@b.example"], ("mailto:a@b.example",)),
        ([b"v=TLSRPTv1; rua=mailto:a@b.example", b"v=TLSRPTv1; rua=mailto:c@b.example"], ()),
        ([b"v=TLSRPTv2; rua=mailto:a@b.example"], ()),
        ([b"v=TLSRPTv1"], ()),
        ([b"V=TLSRPTV1; rua=mailto:a@b.example"], ()),
        ([b"rua=mailto:a@b.example"], ()),
        ([b"\xff\x00" * 100], ()),
        ([], ()),
    ],
)  # fmt: skip
def test_the_record_of_tls_reports_is_read(records: list[bytes], uris: tuple[str, ...]) -> None:
    assert tlsrpt_uris(records) == uris


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("mailto:Reports@B.example", "reports@b.example"),
        ("MAILTO:reports@b.example?subject=x", "reports@b.example"),
        ("mailto:a%2Bb@b.example", "a+b@b.example"),
        ("https://b.example", "https://b.example/"),
        ("https://B.example:443/v1/tls?x=1", "https://b.example/v1/tls?x=1"),
        ("https://b.example/#x", "https://b.example/"),
    ],
)
def test_mailboxes_and_hosts_are_taken(uri: str, name: str) -> None:
    found = destination_of(uri, BOTH)
    assert found is not None
    assert found.name == name
    assert found.domain == "b.example"


@pytest.mark.parametrize(
    "uri",
    [
        "", "mailto", "mailto:", "mailto:@b.example", "mailto:a", "mailto:a@b.example,c@b.example",
        "mailto:a@[192.0.2.1]", "mailto:a@localhost", "mailto:a%0D%0ABcc:x@b.example", "mailto:%ff@b.example",
        "mailto:é@b.example", "mailto:%C3%A9@b.example", "http://b.example/", "ftp://b.example/",
        "file:///etc/passwd", "https://", "https://localhost/", "https://127.0.0.1/", "https://[::1]/",
        "https://192.168.1.1/", "https://b.example:22/", "https://b.example:x/", "https://u:p@b.example/",
        "https://b.example/ HTTP/1.1", "https://b.example/\r\nX: y", "https://2130706433/", "https://1.2/",
        "mailto:" + "a" * 500 + "@b.example", "https://b.example/" + "a" * 500,
    ],
)  # fmt: skip
def test_what_is_no_such_place_is_left_out(uri: str) -> None:
    assert destination_of(uri, BOTH) is None


def test_a_thousand_places_are_not_looked_at() -> None:
    record = b"v=TLSRPTv1; rua=" + b",".join(b"mailto:a%d@b.example" % n for n in range(1000))
    uris = tlsrpt_uris([record])
    assert len(uris) == MAX_URIS
    assert len(destinations_of([f"mailto:a{n}@b.example" for n in range(1000)], BOTH)) == MAX_URIS


def test_the_same_place_is_one_and_only_known_schemes_are_used() -> None:
    twice = ["mailto:a@b.example", "mailto:A@b.example?x", "https://b.example/"]
    assert [one.name for one in destinations_of(twice, BOTH)] == ["a@b.example", "https://b.example/"]
    assert [one.name for one in destinations_of(twice, ("mailto",))] == ["a@b.example"]
