"""Each document, octet by octet, and what mail programs make of it."""

from __future__ import annotations

import base64
import hashlib
import json
import plistlib
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from postier.clients.autoconfig import autoconfig_document
from postier.clients.autodiscover import (
    DEEPEST,
    LONGEST_REQUEST,
    OUTLOOK,
    AutodiscoverRequest,
    RequestError,
    autodiscover_document,
    error_document,
    read_request,
)
from postier.clients.autodiscover_json import autodiscover_json, no_such_user
from postier.clients.mobileconfig import SigningError, mobileconfig_document, sign_document
from postier.clients.pacc import pacc_document, pacc_document_with_ports, pacc_record
from postier.clients.settings import ClientSettings, MailService, OAuthProvider, Security
from postier.net.authority import issue_certificate, make_ca
from postier.testing.mail_programs import (
    Server,
    android_autoconfig,
    deltachat_autoconfig,
    deltachat_autodiscover,
    fairemail_autoconfig,
    thunderbird_autoconfig,
    thunderbird_autodiscover,
)

HOST = "mail.a.example"
SETTINGS = ClientSettings(
    "a.example",
    HOST,
    (
        MailService("imap", 993),
        MailService("imap", 143, Security.STARTTLS),
        MailService("pop3", 995),
        MailService("smtp", 465),
        MailService("smtp", 587, Security.STARTTLS),
    ),
)
PROVIDER = OAuthProvider(
    "https://id.a.example", "https://id.a.example/auth", "https://id.a.example/token", "mail", "open"
)
RICH = replace(
    SETTINGS,
    name="A & B <Post>",
    help="https://www.a.example/help?a=1&b=2",
    logo="https://www.a.example/logo.png",
    jmap="https://mail.a.example/jmap/session",
    oauth=PROVIDER,
)
MOVED = replace(
    SETTINGS,
    services=(MailService("imap", 20993), MailService("pop3", 20995), MailService("smtp", 20465)),
    web_port=20443,
)
WHO = "bob@a.example"
IMAP = Server("imap", HOST, 993, "SSL", "password-cleartext", WHO)
SMTP = Server("smtp", HOST, 465, "SSL", "password-cleartext", WHO)


# ---------------------------------------------------------------------- autoconfig


def test_autoconfig_octet_by_octet() -> None:
    settings = replace(
        SETTINGS, services=(MailService("imap", 993), MailService("smtp", 587, Security.STARTTLS))
    )
    assert autoconfig_document(settings) == """\
<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="a.example">
    <domain>a.example</domain>
    <displayName>a.example</displayName>
    <displayShortName>a.example</displayShortName>
    <incomingServer type="imap">
      <hostname>mail.a.example</hostname>
      <port>993</port>
      <socketType>SSL</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </incomingServer>
    <outgoingServer type="smtp">
      <hostname>mail.a.example</hostname>
      <port>587</port>
      <socketType>STARTTLS</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </outgoingServer>
  </emailProvider>
</clientConfig>
"""  # fmt: skip


def test_what_is_new_in_version_1_2() -> None:
    document = autoconfig_document(RICH)
    assert '<clientConfig version="1.2">' in document
    assert """\
    <displayName>A &amp; B &lt;Post&gt;</displayName>
    <displayShortName>A &amp; B &lt;Post&gt;</displayShortName>
    <incomingServer type="jmap">
      <url>https://mail.a.example/jmap/session</url>
      <authentication>OAuth2</authentication>
      <authentication>basic</authentication>
      <username>%EMAILADDRESS%</username>
    </incomingServer>
    <incomingServer type="imap">
      <hostname>mail.a.example</hostname>
      <port>993</port>
      <socketType>SSL</socketType>
      <authentication>OAuth2</authentication>
      <authentication>password-cleartext</authentication>
""" in document  # fmt: skip
    assert document.endswith("""\
    <documentation url="https://www.a.example/help?a=1&amp;b=2">
      <descr lang="en">Setting up a mail program</descr>
      <descr lang="fr">Configurer un logiciel de messagerie</descr>
    </documentation>
  </emailProvider>
  <oAuth2>
    <authURL>https://id.a.example/auth</authURL>
    <tokenURL>https://id.a.example/token</tokenURL>
    <issuer>https://id.a.example</issuer>
    <scope>mail</scope>
    <clientID>open</clientID>
  </oAuth2>
</clientConfig>
""")  # fmt: skip


def test_a_provider_of_which_little_is_known_comes_after_the_password() -> None:
    settings = replace(SETTINGS, oauth=OAuthProvider("https://id.a.example", scope="mail"))
    document = autoconfig_document(settings)
    assert document.count(
        "<authentication>password-cleartext</authentication>\n      <authentication>OAuth2</authentication>"
    ) == len(SETTINGS.services)
    assert android_autoconfig(document, WHO) == [IMAP, SMTP]
    assert thunderbird_autoconfig(document, WHO)[0] == IMAP


@pytest.mark.parametrize("settings", [SETTINGS, RICH])
def test_mail_programs_take_the_best_way(settings: ClientSettings) -> None:
    document = autoconfig_document(settings)
    assert android_autoconfig(document, WHO) == [IMAP, SMTP]
    thunderbird = thunderbird_autoconfig(document, WHO)
    assert [server.protocol for server in thunderbird] == ["imap", "imap", "pop3", "smtp", "smtp"]
    assert (thunderbird[0], thunderbird[3]) == (IMAP, SMTP)
    delta = [
        server._replace(authentication="password-cleartext") for server in deltachat_autoconfig(document, WHO)
    ]
    assert (delta[0], delta[2]) == (IMAP, SMTP)
    assert fairemail_autoconfig(document, WHO) == [
        Server("imap", HOST, 143, "STARTTLS", "", WHO),
        Server("smtp", HOST, 587, "STARTTLS", "", WHO),
    ]  # it takes the last of each, which must be as good


def test_names_are_as_long_as_the_draft_allows() -> None:
    document = autoconfig_document(replace(SETTINGS, name="ä" * 61))
    assert f"<displayName>{'ä' * 60}</displayName>" in document
    assert f"<displayShortName>{'ä' * 20}</displayShortName>" in document


# ---------------------------------------------------------------------- PACC


def test_pacc_octet_by_octet_and_its_record() -> None:
    document = pacc_document(SETTINGS)
    assert document == b"""\
{
  "protocols": {
    "imap": {
      "host": "mail.a.example"
    },
    "pop3": {
      "host": "mail.a.example"
    },
    "smtp": {
      "host": "mail.a.example"
    }
  },
  "authentication": {
    "password": true
  },
  "info": {
    "provider": {
      "name": "a.example"
    }
  }
}
"""  # fmt: skip
    tags = dict(tag.strip().split("=", 1) for tag in pacc_record(document).split(";"))
    assert (tags["v"], tags["a"]) == ("UAAC1", "sha256")
    assert base64.b64decode(tags["d"], validate=True) == hashlib.sha256(document).digest()


def test_pacc_with_all_that_it_knows() -> None:
    document = pacc_document(RICH)
    assert document is not None
    assert json.loads(document) == {
        "protocols": {
            "imap": {"host": HOST},
            "pop3": {"host": HOST},
            "smtp": {"host": HOST},
            "jmap": {"url": "https://mail.a.example/jmap/session"},
        },
        "authentication": {"password": True, "oauth-public": {"issuer": "https://id.a.example"}},
        "info": {
            "provider": {"name": "A & B <Post>", "logo": [{"url": "https://www.a.example/logo.png"}]},
            "help": {"documentation": "https://www.a.example/help?a=1&b=2"},
        },
    }


@pytest.mark.parametrize(
    "settings",
    [
        MOVED,
        replace(SETTINGS, web_port=8443),
        replace(SETTINGS, services=(MailService("imap", 993), MailService("smtp", 587, Security.STARTTLS))),
        replace(SETTINGS, services=(MailService("imap", 993, Security.STARTTLS), MailService("smtp", 465))),
    ],
)
def test_what_pacc_has_no_words_for_it_does_not_say(settings: ClientSettings) -> None:
    assert pacc_document(settings) is None


# ---------------------------------------------------------------------- Autodiscover

REQUEST = """\
<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request>
    <EMailAddress>bob@a.example</EMailAddress>
    <AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>
  </Request>
</Autodiscover>
"""


@pytest.mark.parametrize(
    "body",
    [
        REQUEST.encode(),
        REQUEST.replace("utf-8", "utf-16").encode("utf-16"),
        REQUEST.replace(' xmlns="', ' xmlns:a="')
        .replace("<?xml version", "\n\n<?xml version")
        .strip()
        .encode(),
        REQUEST.replace("bob@", "<![CDATA[bob]]>&#64;").encode(),
        REQUEST.replace(">bob", "> \r\n bob").encode(),
    ],
)
def test_requests_are_read(body: bytes) -> None:
    assert read_request(body) == AutodiscoverRequest(WHO, OUTLOOK)


def test_a_request_need_not_say_all() -> None:
    assert read_request(b"<Autodiscover><Request/></Autodiscover>") == AutodiscoverRequest("", "")
    assert read_request(b"<x><EMailAddress>bob@a.example</EMailAddress></x>") == AutodiscoverRequest("", "")


LAUGHS = "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"junk",
        b"<Autodiscover>",
        b"<Autodiscover/><Autodiscover/>",
        b'<?xml version="1.0" encoding="x-none"?><Autodiscover/>',
        b"<!DOCTYPE Autodiscover><Autodiscover/>",
        f'<!DOCTYPE x [<!ENTITY x0 "ha">{LAUGHS}]><Autodiscover>&x9;</Autodiscover>'.encode(),
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Autodiscover>&a;</Autodiscover>',
        b"<a>" * (DEEPEST + 1) + b"</a>" * (DEEPEST + 1),
        b"<Autodiscover><Request><EMailAddress>" + b"x" * 1025 + b"</EMailAddress></Request></Autodiscover>",
        b"<Autodiscover>" + b" " * LONGEST_REQUEST + b"</Autodiscover>",
    ],
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError):
        read_request(body)


def test_a_request_is_as_deep_and_long_as_allowed() -> None:
    assert read_request(b"<a>" * DEEPEST + b"</a>" * DEEPEST) == AutodiscoverRequest("", "")
    frame = b"<Autodiscover></Autodiscover>"
    assert read_request(frame.replace(b"><", b">" + b" " * (LONGEST_REQUEST - len(frame)) + b"<"))


def test_autodiscover_octet_by_octet() -> None:
    settings = replace(SETTINGS, services=(MailService("imap", 993), MailService("smtp", 465)))
    assert autodiscover_document(settings, "b&b@a.example") == """\
<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
  <Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a">
    <User>
      <DisplayName>b&amp;b@a.example</DisplayName>
    </User>
    <Account>
      <AccountType>email</AccountType>
      <Action>settings</Action>
      <Protocol>
        <Type>IMAP</Type>
        <TTL>24</TTL>
        <Server>mail.a.example</Server>
        <Port>993</Port>
        <LoginName>b&amp;b@a.example</LoginName>
        <DomainRequired>off</DomainRequired>
        <SPA>off</SPA>
        <SSL>on</SSL>
        <Encryption>SSL</Encryption>
        <AuthRequired>on</AuthRequired>
      </Protocol>
      <Protocol>
        <Type>SMTP</Type>
        <TTL>24</TTL>
        <Server>mail.a.example</Server>
        <Port>465</Port>
        <LoginName>b&amp;b@a.example</LoginName>
        <DomainRequired>off</DomainRequired>
        <SPA>off</SPA>
        <SSL>on</SSL>
        <Encryption>SSL</Encryption>
        <AuthRequired>on</AuthRequired>
        <UsePOPAuth>on</UsePOPAuth>
        <SMTPLast>off</SMTPLast>
      </Protocol>
    </Account>
  </Response>
</Autodiscover>
"""  # fmt: skip


@pytest.mark.parametrize("settings", [SETTINGS, RICH, MOVED])
def test_programs_that_read_autodiscover(settings: ClientSettings) -> None:
    document = autodiscover_document(settings, WHO)
    imap, pop3, smtp = thunderbird_autodiscover(document, WHO)
    best = {name: settings.best(name) for name in ("imap", "pop3", "smtp")}
    for name, found in zip(best, (imap, pop3, smtp), strict=True):
        expected = best[name]
        assert expected is not None
        assert found == Server(name, HOST, expected.port, "SSL", "password-cleartext", WHO)
    delta = deltachat_autodiscover(document)
    assert (delta["imap"].port, delta["imap"].security) == (imap.port, "SSL")
    assert (delta["smtp"].port, delta["smtp"].security) == (smtp.port, "SSL")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (500, "The email address can't be found."),
        (600, "Invalid Request"),
        (601, "Provider is not available"),
    ],
)
def test_errors_of_autodiscover(code: int, message: str) -> None:
    assert error_document(code, time="10:20:30.123456", hostname=HOST) == f"""\
<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
  <Response>
    <Error Time="10:20:30.123456" Id="3543942409">
      <ErrorCode>{code}</ErrorCode>
      <Message>{message}</Message>
      <DebugData />
    </Error>
  </Response>
</Autodiscover>
"""  # fmt: skip


@pytest.mark.parametrize("protocol", ["AutodiscoverV1", "Autodiscoverv1", "AUTODISCOVERV1"])
def test_autodiscover_in_json(protocol: str) -> None:
    found = autodiscover_json(SETTINGS, protocol)
    url = "https://autodiscover.a.example/autodiscover/autodiscover.xml"
    assert found == (200, f'{{"Protocol":"{protocol}","Url":"{url}"}}'.encode())
    assert json.loads(autodiscover_json(MOVED, protocol).body)["Url"] == url.replace(
        "a.example/", "a.example:20443/"
    )


def test_errors_of_autodiscover_in_json() -> None:
    assert autodiscover_json(SETTINGS, "ActiveSync") == (
        400,
        b'{"ErrorCode":"InvalidProtocol","ErrorMessage":"The given protocol value \'ActiveSync\' is invalid. '
        b"Supported values are 'AutodiscoverV1'\"}",
    )
    assert json.loads(autodiscover_json(SETTINGS, "").body)["ErrorCode"] == "MandatoryParameterMissing"
    assert no_such_user().status == 404
    hostile = autodiscover_json(SETTINGS, '"}<script>\r\né\x00' + "x" * 5000).body
    assert len(hostile) < 300
    assert json.loads(hostile)["ErrorMessage"].startswith("The given protocol value '\"}<script>xxx")


# ---------------------------------------------------------------------- Apple


def test_a_profile_has_what_an_apple_device_needs() -> None:
    document = mobileconfig_document(RICH, WHO)
    assert document is not None
    profile = plistlib.loads(document)
    (account,) = profile["PayloadContent"]
    assert {name: account[name] for name in account if "Mail" in name or "Password" in name} == {
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": HOST,
        "IncomingMailServerPortNumber": 993,
        "IncomingMailServerUseSSL": True,
        "IncomingMailServerUsername": WHO,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": HOST,
        "OutgoingMailServerPortNumber": 465,
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerUsername": WHO,
        "OutgoingPasswordSameAsIncomingPassword": True,
        "disableMailRecentsSyncing": False,
    }
    assert (account["EmailAccountType"], account["EmailAddress"]) == ("EmailTypeIMAP", WHO)
    assert account["PayloadType"] == "com.apple.mail.managed"
    assert profile["PayloadType"] == "Configuration"
    assert profile["PayloadOrganization"] == "A & B <Post>"
    assert profile["PayloadIdentifier"].startswith("example.a.")
    assert account["PayloadIdentifier"] == profile["PayloadIdentifier"] + ".mail"
    assert {profile["PayloadVersion"], account["PayloadVersion"]} == {1}


def test_its_names_stay_and_are_nobody_elses() -> None:
    def names(address: str, protocol: str = "imap") -> tuple[str, str, str]:
        profile = plistlib.loads(mobileconfig_document(SETTINGS, address, protocol=protocol) or b"")
        return (
            profile["PayloadIdentifier"],
            profile["PayloadUUID"],
            profile["PayloadContent"][0]["PayloadUUID"],
        )

    assert mobileconfig_document(SETTINGS, WHO) == mobileconfig_document(SETTINGS, WHO)
    assert len({*names(WHO), *names("eve@a.example")}) == 6
    imap, pop3 = names(WHO), names(WHO, "pop3")
    assert imap[0] == pop3[0]  # one takes the place of the other
    assert imap[1] != pop3[1]


def test_a_password_is_only_in_it_where_one_is_given() -> None:
    profile = plistlib.loads(mobileconfig_document(SETTINGS, WHO, password="<s&cret>") or b"")
    assert profile["PayloadContent"][0]["IncomingPassword"] == "<s&cret>"
    assert profile["PayloadContent"][0]["OutgoingPassword"] == "<s&cret>"
    assert b"Password</key>" not in (mobileconfig_document(SETTINGS, WHO) or b"").replace(
        b"OutgoingPasswordSameAsIncomingPassword</key>", b""
    )


def test_what_is_not_offered_has_no_profile() -> None:
    settings = replace(SETTINGS, services=(MailService("imap", 993), MailService("smtp", 465)))
    assert mobileconfig_document(settings, WHO, protocol="pop3") is None
    assert mobileconfig_document(replace(SETTINGS, services=(MailService("imap", 993),)), WHO) is None


def test_openssl_believes_the_signature(tmp_path: Path) -> None:
    ca = make_ca("test")
    pair = issue_certificate(ca, [HOST])
    (tmp_path / "ca.pem").write_bytes(ca.certificate)
    document = mobileconfig_document(SETTINGS, WHO) or b""
    (tmp_path / "signed").write_bytes(sign_document(document, pair.certificate + ca.certificate, pair.key))
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any", "-in", "signed"]
    options = {"cwd": tmp_path, "capture_output": True, "check": False}
    done = subprocess.run([*command, "-CAfile", "ca.pem"], **options)  # type: ignore[call-overload]
    assert (done.returncode, done.stdout) == (0, document)
    shown = ["openssl", "pkcs7", "-inform", "DER", "-in", "signed", "-print_certs", "-noout"]
    assert subprocess.run(shown, **options).stdout.count(b"subject=") == 2  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("chain", "key"),
    [
        (b"", b""),
        (b"junk", b"junk"),
    ],
)
def test_what_cannot_sign_says_so(chain: bytes, key: bytes) -> None:
    with pytest.raises(SigningError):
        sign_document(b"x", chain, key)


def test_a_person_is_told_the_ports_where_pacc_cannot() -> None:
    assert pacc_document_with_ports(SETTINGS) == pacc_document(SETTINGS)
    protocols = json.loads(pacc_document_with_ports(MOVED))["protocols"]
    assert protocols["smtp"] == {"host": HOST, "port": 20465}
