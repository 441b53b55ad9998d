"""The documents for mail programs, as their own requests get them."""

from __future__ import annotations

import json
import plistlib
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from postier.clients.autoconfig import autoconfig_document
from postier.clients.autodiscover import autodiscover_document, error_document
from postier.clients.mobileconfig import mobileconfig_document
from postier.clients.pacc import pacc_document
from postier.clients.page import card_page
from postier.clients.settings import ClientSettings, MailService
from postier.http.client_documents import client_documents
from postier.http.documents import public_application
from postier.testing.web import ask, make_certificate

SETTINGS = ClientSettings(
    "a.example",
    "mail.a.example",
    (MailService("imap", 993), MailService("pop3", 995), MailService("smtp", 465)),
)
OTHER = replace(SETTINGS, domain="b.example", jmap="https://mail.b.example/jmap")
WHO = "bob@a.example"
AUTOCONFIG = "/mail/config-v1.1.xml"
WELL_KNOWN = "/.well-known/autoconfig/mail/config-v1.1.xml"
PACC = "/.well-known/user-agent-configuration.json"
DISCOVER = "/autodiscover/autodiscover.xml"


class StoppedClock:
    def now(self) -> float:
        return 37230.5

    def monotonic(self) -> float:
        return 0.0


async def find(domain: str) -> ClientSettings | None:
    return {"a.example": SETTINGS, "b.example": OTHER}.get(domain)


async def sign(document: bytes) -> bytes:
    return b"signed:" + document


APPLICATION = public_application(client_documents(find, sign, StoppedClock(), 443))


class Answer(NamedTuple):
    status: int
    fields: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web")
    make_certificate(folder, ["a.example"])
    return folder


def get(
    url: str, folder: Path | None = None, *, method: str = "GET", body: bytes = b"", more: str = ""
) -> Answer:
    """Over TLS where there is a folder."""
    host, _, path = url.partition("/")
    head = f"{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    answer = ask(APPLICATION, request, folder=folder, name="a.example")
    top, _, rest = answer.partition(b"\r\n\r\n")
    lines = top.decode().split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return Answer(int(lines[0].split()[1]), fields, rest)


@pytest.mark.parametrize(
    "url",
    [
        f"autoconfig.a.example{AUTOCONFIG}?emailaddress=bob%40a.example",
        f"AUTOCONFIG.A.Example:8080{AUTOCONFIG}",
        f"autoconfig.a.example.{AUTOCONFIG}?emailaddress=%00junk",
        f"a.example{WELL_KNOWN}?emailaddress=nobody@a.example",
        f"autoconfig.a.example{WELL_KNOWN}",
        f"a.example{AUTOCONFIG}",
        "autoconfig.a.example/.well-known/mail-v1.xml",
        f"autoconfig.b.example{AUTOCONFIG}?emailaddress=bob%40A.example",
    ],
)
def test_autoconfig_is_the_same_by_all_its_names_in_clear_and_by_https(url: str, folder: Path) -> None:
    for answer in (get(url), get(url, folder)):
        assert answer.status == 200
        assert answer.fields["content-type"] == "text/xml; charset=utf-8"
        assert answer.body == autoconfig_document(SETTINGS).encode()


@pytest.mark.parametrize(
    "url",
    [
        f"autoconfig.c.example{AUTOCONFIG}",
        f"autoconfig.c.example{AUTOCONFIG}?emailaddress=bob@a.example",
        f"autoconfig.{AUTOCONFIG}",
        f"autoconfig.<a>{AUTOCONFIG}",
        f"autoconfig.{'x' * 300}{AUTOCONFIG}",
        f"mta-sts.a.example{AUTOCONFIG}",
        f"ua-auto-config.c.example{PACC}",
    ],
)
def test_there_is_nothing_for_domains_of_others(url: str) -> None:
    assert get(url).status == 404


def test_pacc_has_the_octets_of_its_digest(folder: Path) -> None:
    answer = get(f"ua-auto-config.a.example{PACC}", folder)
    assert (answer.status, answer.fields["content-type"]) == (200, "application/json")
    assert answer.body == pacc_document(SETTINGS)


def request_for(address: str, schema: str = "outlook/responseschema/2006a") -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/'
        f'autodiscover/outlook/requestschema/2006"><Request><EMailAddress>{address}</EMailAddress>'
        "<AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/"
        f"{schema}</AcceptableResponseSchema></Request></Autodiscover>"
    ).encode()


def discover(
    folder: Path, body: bytes, url: str = f"autodiscover.a.example{DISCOVER}", method: str = "POST"
) -> Answer:
    return get(url, folder, method=method, body=body, more="Content-Type: text/xml; charset=utf-8\r\n")


@pytest.mark.parametrize(
    "url",
    [
        f"autodiscover.a.example{DISCOVER}",
        "autodiscover.a.example/AutoDiscover/AutoDiscover.xml",
        "a.example/Autodiscover/Autodiscover.XML",
        f"mail.a.example{DISCOVER}",
    ],
)
def test_outlook_is_answered_under_each_name(url: str, folder: Path) -> None:
    answer = discover(folder, request_for(WHO), url)
    assert (answer.status, answer.fields["content-type"]) == (200, "text/xml; charset=utf-8")
    assert answer.body == autodiscover_document(SETTINGS, WHO).encode()


def test_who_has_no_mailbox_is_answered_as_who_has_one(folder: Path) -> None:
    known = discover(folder, request_for(WHO))
    unknown = discover(folder, request_for("eve@a.example"))
    assert unknown.body == known.body.replace(b"bob@", b"eve@")
    assert unknown.fields.keys() == known.fields.keys()


@pytest.mark.parametrize(
    ("body", "method", "code"),
    [
        (b"", "GET", 600),
        (b"", "POST", 600),
        (b"junk", "POST", 600),
        (request_for("not an address"), "POST", 600),
        (request_for("bob@[192.0.2.1]"), "POST", 600),
        (request_for("bob@a.example" * 100), "POST", 600),
        (request_for(WHO, "mobilesync/responseschema/2006"), "POST", 601),
        (request_for("bob@c.example"), "POST", 500),
    ],
)
def test_other_requests_get_the_errors_of_exchange(body: bytes, method: str, code: int, folder: Path) -> None:
    answer = discover(folder, body, method=method)
    assert answer.status == 200
    said = error_document(code, time="10:20:30.500000", hostname="autodiscover.a.example")
    assert answer.body == said.encode()


def test_a_request_that_is_too_long_is_not_read(folder: Path) -> None:
    assert discover(folder, b" " * 20_000).status == 413


def test_in_clear_outlook_is_sent_elsewhere() -> None:
    for method in ("GET", "POST"):
        answer = get(f"autodiscover.a.example:80{DISCOVER}?a=b", method=method)
        assert answer.status == 302
        assert answer.fields["location"] == f"https://autodiscover.a.example{DISCOVER}?a=b"
        assert "www-authenticate" not in answer.fields
    assert get(f"a<b{DISCOVER}").status == 404


@pytest.mark.parametrize(
    "url",
    [
        "autodiscover.a.example/autodiscover/autodiscover.json?Email=bob@a.example&Protocol=AutodiscoverV1",
        "mail.a.example/AutoDiscover/autodiscover.json?email=bob%40a.example&protocol=AutodiscoverV1",
        "mail.a.example/autodiscover/autodiscover.json/v1.0/bob@a.example?Protocol=AutodiscoverV1",
        "autodiscover.a.example/autodiscover/autodiscover.json?Protocol=AutodiscoverV1&RedirectCount=1",
    ],
)
def test_autodiscover_in_json(url: str, folder: Path) -> None:
    answer = get(url, folder)
    assert (answer.status, answer.fields["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == {
        "Protocol": "AutodiscoverV1",
        "Url": "https://autodiscover.a.example/autodiscover/autodiscover.xml",
    }


def test_errors_of_autodiscover_in_json(folder: Path) -> None:
    path = "autodiscover.a.example/autodiscover/autodiscover.json?Email="
    asked = {
        f"{path}bob@a.example&Protocol=ActiveSync": (400, "InvalidProtocol"),
        f"{path}bob@a.example": (400, "MandatoryParameterMissing"),
        f"{path}bob@c.example&Protocol=AutodiscoverV1": (404, "UserNotFound"),
        f"{path}bob&Protocol=AutodiscoverV1": (404, "UserNotFound"),
    }
    for url, (status, code) in asked.items():
        answer = get(url, folder)
        assert (answer.status, json.loads(answer.body)["ErrorCode"]) == (status, code)


def test_a_profile_is_signed_and_has_no_password(folder: Path) -> None:
    answer = get("mail.a.example/email.mobileconfig?email=bob%40a.example", folder)
    assert (answer.status, answer.fields["content-type"]) == (200, "application/x-apple-aspen-config")
    assert answer.fields["content-disposition"] == 'attachment; filename="a.example.mobileconfig"'
    assert answer.body == b"signed:" + (mobileconfig_document(SETTINGS, WHO) or b"")
    pop3 = get("mail.a.example/email.mobileconfig?email=bob%40a.example&protocol=pop3&password=x", folder)
    (account,) = plistlib.loads(pop3.body.removeprefix(b"signed:"))["PayloadContent"]
    assert account["EmailAccountType"] == "EmailTypePOP"
    assert "IncomingPassword" not in account
    for email in ("", "bob", "bob@c.example", "bob%EF%BF%BF@a.example"):
        assert get(f"mail.a.example/email.mobileconfig?email={email}", folder).status == 404


def test_a_signature_ends_the_connection(folder: Path) -> None:
    request = b"GET /email.mobileconfig?email=bob@a.example HTTP/1.1\r\nHost: a.example\r\n\r\n"
    assert ask(APPLICATION, request * 3, folder=folder, name="a.example").count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize(
    ("query", "accepted", "language"),
    [
        ("&language=fr", "", "fr"),
        ("&language=de", "", "en"),
        ("", "de-AT, fr-CH;q=0.5, en;q=0.1", "fr"),
        ("&language=en", "fr", "en"),
        ("", "", "en"),
    ],
)
def test_the_page_for_people(query: str, accepted: str, language: str, folder: Path) -> None:
    more = f"Accept-Language: {accepted}\r\n" if accepted else ""
    answer = get(f"mail.a.example/setup?address=bob@a.example{query}", folder, more=more)
    assert (answer.status, answer.fields["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.body == card_page(SETTINGS, WHO, language).encode()
    assert "default-src 'none'" in answer.fields["content-security-policy"]


def test_nothing_that_is_asked_becomes_markup(folder: Path) -> None:
    answer = get("mail.a.example/setup?address=%22%3Cscript%3E%22@a.example", folder)
    assert answer.status == 200
    assert b"<script" not in answer.body
    assert b"&lt;script&gt;" in answer.body


def test_the_page_and_the_profile_go_by_https_only() -> None:
    for path in ("setup?address=bob@a.example", "email.mobileconfig?email=bob@a.example"):
        answer = get(f"mail.a.example/{path}")
        assert (answer.status, answer.fields["location"]) == (302, f"https://mail.a.example/{path}")


def test_jmap_is_where_it_is_and_nowhere_else(folder: Path) -> None:
    assert get("a.example/.well-known/jmap", folder).status == 404
    answer = get("b.example/.well-known/jmap", folder)
    assert (answer.status, answer.fields["location"]) == (302, "https://mail.b.example/jmap")
