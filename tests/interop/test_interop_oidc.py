"""oidc-provider, a certified implementation of OpenID Connect: its tokens let people in by every protocol,
with programs that none of us wrote; and what becomes of logins when it is away, turns its keys, or revokes a
token."""

from __future__ import annotations

import html
import imaplib
import json
import os
import poplib
import re
import signal
import smtplib
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

from postier.testing.ports import free_port_base

PROGRAM = Path(__file__).parent / "node" / "provider.mjs"
CLIENTS = PROGRAM.with_name("token.mjs")
MODULES = PROGRAM.parent / "node_modules" / "oidc-provider"
AUDIENCE = "https://mail.orchard.test"
ALICE = "alice@orchard.test"
PASSWORD = "own-password"
TOLD = {"status": "invalid_token", "scope": "mail"}


@dataclass
class IdProvider:
    """The program, which may be stopped and started anew at the same place."""

    port: int = 0
    issuer: str = ""
    _process: subprocess.Popen[str] | None = field(default=None)

    def start(self, kid: str = "first") -> None:
        job = json.dumps({"port": self.port, "kid": kid})
        self._process = subprocess.Popen(
            ["node", str(PROGRAM), job],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.issuer = self._process.stdout.readline().strip()
        assert self.issuer.startswith("http://127.0.0.1:"), "the provider did not start"
        self.port = int(self.issuer.rpartition(":")[2])

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                assert stream is not None
                stream.close()
            self._process = None

    def ask(self, path: str, client: str, secret: str, **form: str) -> Any:
        pair = ":".join(urllib.parse.quote_plus(one) for one in (client, secret))
        request = urllib.request.Request(
            self.issuer + path,
            urllib.parse.urlencode(form).encode(),
            {"Authorization": "Basic " + b64encode(pair.encode()).decode()},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def token(self, kind: str = "jwt", *, who: str = "alice", scope: str = "mail", resource: str = "") -> str:
        """An access token by client_credentials; `kind`: "jwt" or "opaque"."""
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "resource": resource or f"{AUDIENCE}/{kind}",
        }
        found = self.ask("/token", who, f"secret of {who}", **form)["access_token"]
        assert (found.count(".") == 2) == (kind == "jwt")
        return str(found)

    def revoke(self, token: str, who: str = "alice") -> None:
        self.ask("/token/revocation", who, f"secret of {who}", token=token)

    def code_flow(self, who: str, kind: str) -> str:
        """A token as a mail program gets it: the person logs in on the provider's pages and agrees (PKCE)."""
        verifier = "v" * 64
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        browser = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(CookieJar()), _StopAtLoopback
        )
        query = {
            "client_id": "thunderbird",
            "response_type": "code",
            "redirect_uri": "http://127.0.0.1/back",
            "scope": "openid mail",
            "resource": f"{AUDIENCE}/{kind}",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        page = browser.open(f"{self.issuer}/auth?{urllib.parse.urlencode(query)}", timeout=20)
        for _ in range(4):
            text = page.read().decode()
            if page.geturl().startswith("http://127.0.0.1/back"):
                break
            action = html.unescape(re.findall(r'<form[^>]*action="([^"]+)"', text)[0])
            fields = dict(re.findall(r'<input[^>]*type="hidden" name="([^"]+)" value="([^"]*)"', text))
            if 'name="login"' in text:
                fields |= {"login": who, "password": "anything"}
            page = browser.open(
                urllib.parse.urljoin(page.geturl(), action),
                urllib.parse.urlencode(fields).encode(),
                timeout=20,
            )
        (code,) = urllib.parse.parse_qs(urllib.parse.urlsplit(page.geturl()).query)["code"]
        wanted = {
            "grant_type": "authorization_code",
            "client_id": "thunderbird",
            "code": code,
            "redirect_uri": "http://127.0.0.1/back",
            "code_verifier": verifier,
            "resource": f"{AUDIENCE}/{kind}",
        }
        with urllib.request.urlopen(
            f"{self.issuer}/token", urllib.parse.urlencode(wanted).encode(), timeout=20
        ) as answer:
            return str(json.load(answer)["access_token"])


class _StopAtLoopback(urllib.request.HTTPRedirectHandler):
    """The mail program listens there; here the address itself is enough."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if newurl.startswith("http://127.0.0.1/back"):
            fp.geturl = lambda: newurl
            fp.url = newurl
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_303(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        place = headers.get("location", "")
        if place.startswith("http://127.0.0.1/back"):
            fp.url = place
            return fp
        return super().http_error_303(req, fp, code, msg, headers)

    http_error_302 = http_error_303


@dataclass(frozen=True)
class Server:
    """A server of orchard.test with alice and bob, which knows the provider."""

    data: Path
    base: int

    @property
    def ca(self) -> str:
        return str(self.data / "tls" / "ca.pem")

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca)

    def postier(self, *words: str, stdin: str = PASSWORD + "\n") -> str:
        command = [sys.executable, "-m", "postier", *words, "--data", str(self.data)]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout

    def imap(self) -> imaplib.IMAP4_SSL:
        return imaplib.IMAP4_SSL("127.0.0.1", self.base + 993, ssl_context=self.tls, timeout=30)

    def imap_login(self, mechanism: str, token: str, who: str = ALICE) -> tuple[str, list[bytes]]:
        """What the server said at the end, and its challenges."""
        challenges: list[bytes] = []

        def answer(challenge: bytes) -> bytes:
            challenges.append(challenge)
            return message(mechanism, token, who) if len(challenges) == 1 else b"\x01"

        with self.imap() as client:
            try:
                client.authenticate(mechanism, answer)
            except imaplib.IMAP4.error as error:
                return str(error), challenges[1:]
            return "OK", challenges[1:]


def message(mechanism: str, token: str, who: str) -> bytes:
    if mechanism == "XOAUTH2":
        return f"user={who}\x01auth=Bearer {token}\x01\x01".encode()
    return f"n,a={who},\x01host=localhost\x01auth=Bearer {token}\x01\x01".encode()


@pytest.fixture(scope="module")
def provider(need: Callable[[str], None]) -> Iterator[IdProvider]:
    need("node")
    need("npm")
    if not MODULES.exists():
        if os.environ.get("POSTIER_NO_SKIP"):
            pytest.fail("npm has not installed oidc-provider")
        pytest.skip("npm could not install oidc-provider")
    made = IdProvider()
    made.start()
    try:
        yield made
    finally:
        made.stop()


@contextmanager
def serving(folder: Path, settings: str) -> Iterator[Server]:
    with free_port_base("127.0.0.1") as base:
        server = Server(folder, base)
        server.postier(
            "init", "--domain", "orchard.test", "--admin", ALICE, "--password-stdin", "--bind", "127.0.0.1",
            "--port-base", str(base), "--yes", "--set", 'dns.servers=["127.0.0.1:9"]',
            "--set", "server.workers=1",
        )  # fmt: skip
        server.postier("user", "add", "bob@orchard.test", "--password-stdin")
        with (folder / "postier.toml").open("a") as file:
            file.write(settings)
        with folder.with_suffix(".log").open("a") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "postier", "serve", "--data", str(folder)],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "postier ready\n"
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            assert process.stdout is not None
            process.stdout.close()


def described(provider: IdProvider, **more: Any) -> str:
    keys = {
        "issuer": provider.issuer,
        "audience": AUDIENCE,
        "scope": "mail",
        "client_id": "post office",
        "client_secret": "s:ecret/%",
        "announced_client": "thunderbird",
        **more,
    }
    return "\n[[oidc.providers]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())


@pytest.fixture(scope="module")
def server(provider: IdProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("oidc") / "data", described(provider)) as made:
        yield made


KINDS = ("jwt", "opaque")
MECHANISMS = ("OAUTHBEARER", "XOAUTH2")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_token_lets_its_owner_in_by_imap(
    provider: IdProvider, server: Server, kind: str, mechanism: str
) -> None:
    assert server.imap_login(mechanism, provider.token(kind)) == ("OK", [])


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_from_the_pages_where_people_log_in(provider: IdProvider, server: Server, kind: str) -> None:
    token = provider.code_flow("bob", kind)
    assert server.imap_login("OAUTHBEARER", token, "bob@orchard.test") == ("OK", [])
    assert server.imap_login("OAUTHBEARER", token, ALICE)[0] != "OK"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("scheme", ["imaps", "pop3s", "smtps"])
def test_curl_logs_in_with_a_token(
    provider: IdProvider, server: Server, shell: Any, need: Any, kind: str, mechanism: str, scheme: str
) -> None:
    need("curl")
    port = server.base + {"imaps": 993, "pop3s": 995, "smtps": 465}[scheme]
    letter = shell.write("letter", f"From: {ALICE}\r\nSubject: by token\r\n\r\nHello\r\n")
    more = ["--mail-from", ALICE, "--mail-rcpt", ALICE, "--upload-file", letter] if scheme == "smtps" else []
    shell.run(
        "curl", "--silent", "--show-error", "--cacert", server.ca, "--user", ALICE,
        "--oauth2-bearer", provider.token(kind), "--login-options", f"AUTH={mechanism}", *more,
        f"{scheme}://127.0.0.1:{port}/",
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_imapflow_and_nodemailer_log_in_with_a_token(
    provider: IdProvider, server: Server, shell: Any, kind: str
) -> None:
    place = f"127.0.0.1 {server.base + 993} {server.base + 465} mail.orchard.test {server.ca}"
    good = json.loads(shell.run("node", CLIENTS, place, ALICE, provider.token(kind)).stdout)
    assert good == {"imap": True, "smtp": True}
    bad = json.loads(shell.run("node", CLIENTS, place, ALICE, provider.token(kind, who="nobody")).stdout)
    assert "535" in bad["smtp"]
    assert bad["imap"] is not True


def test_whoever_logged_in_by_token_is_in_the_audit_log(provider: IdProvider, server: Server) -> None:
    assert server.imap_login("OAUTHBEARER", provider.token()) == ("OK", [])
    deadline = time.monotonic() + 30
    while True:
        listed = json.loads(server.postier("audit", ALICE, "--kind", "login", "--json"))
        if any(entry["facts"].get("mechanism") == "token" for entry in listed):
            break
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_mail_programs_are_told_where_to_get_a_token(provider: IdProvider, server: Server) -> None:
    document = server.postier("client", ALICE, "--xml")
    (found,) = re.findall(r"<oAuth2>(.*?)</oAuth2>", document, re.DOTALL)
    assert dict(re.findall(r"<(\w+)>([^<]*)<", found)) == {
        "authURL": f"{provider.issuer}/auth",
        "tokenURL": f"{provider.issuer}/token",
        "issuer": provider.issuer,
        "scope": "mail",
        "clientID": "thunderbird",
    }
    url = f"http://127.0.0.1:{server.base + 80}/mail/config-v1.1.xml?emailaddress={ALICE}"
    request = urllib.request.Request(url, headers={"Host": "autoconfig.orchard.test"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.read().decode() == document
    assert json.loads(server.postier("client", ALICE, "--json"))["authentication"]["oauth-public"] == {
        "issuer": provider.issuer
    }


def test_the_administrator_can_look_at_a_provider_and_at_a_token(
    provider: IdProvider, server: Server
) -> None:
    (looked,) = json.loads(server.postier("oidc", "check", "--json"))
    assert looked == {
        "issuer": provider.issuer,
        "keys": 1,
        "introspection": f"{provider.issuer}/token/introspection",
        "problem": "",
    }
    for kind in KINDS:
        told = server.postier("oidc", "check", "--token-stdin", stdin=provider.token(kind))
        assert told == f"the token lets {ALICE} in\n"
    with pytest.raises(subprocess.CalledProcessError) as caught:
        server.postier("oidc", "check", "--token-stdin", stdin=provider.token(scope="calendar"))
    assert caught.value.stderr == "Error: insufficient_scope: the token is not for this (scope)\n"


REFUSED: dict[str, tuple[str, Callable[[IdProvider], str]]] = {
    "for another audience": ("invalid_token", lambda p: p.token(resource="https://calendar.test")),
    "for another scope": ("insufficient_scope", lambda p: p.token(scope="calendar")),
    "for another scope, opaque": ("insufficient_scope", lambda p: p.token("opaque", scope="calendar")),
    "for nobody here": ("invalid_token", lambda p: p.token(who="nobody")),
    "for somebody else": ("invalid_token", lambda p: p.token(who="bob")),
    "of nobody": ("invalid_token", lambda p: "made-up"),
    "without its signature": ("invalid_token", lambda p: p.token().rpartition(".")[0] + ".AAAA"),
}


@pytest.mark.parametrize(("status", "make"), REFUSED.values(), ids=REFUSED.keys())
def test_a_token_that_is_not_for_us_is_refused_and_the_client_is_told_whom_to_ask(
    provider: IdProvider, server: Server, status: str, make: Callable[[IdProvider], str]
) -> None:
    said, (challenge,) = server.imap_login("OAUTHBEARER", make(provider))
    assert "AUTHENTICATIONFAILED" in said
    told = json.loads(challenge)
    discovery = f"{provider.issuer}/.well-known/openid-configuration"
    assert told == {"status": status, "scope": "mail", "openid-configuration": discovery}


def _smtp_login(server: Server, token: str) -> tuple[int, bytes]:
    with smtplib.SMTP_SSL("127.0.0.1", server.base + 465, context=server.tls, timeout=30) as client:
        client.ehlo()
        assert "OAUTHBEARER" in client.esmtp_features["auth"].split()
        first = client.docmd(
            "AUTH", "OAUTHBEARER " + b64encode(message("OAUTHBEARER", token, ALICE)).decode()
        )
        if first[0] != 334:
            return first
        assert json.loads(b64decode(first[1]))["status"] == "invalid_token"
        return client.docmd("AQ==")


def _pop3_login(server: Server, token: str) -> bytes:
    client = poplib.POP3_SSL("127.0.0.1", server.base + 995, context=server.tls, timeout=30)
    try:
        return client._shortcmd(  # type: ignore[attr-defined]
            "AUTH OAUTHBEARER " + b64encode(message("OAUTHBEARER", token, ALICE)).decode()
        )
    except poplib.error_proto as error:
        return bytes(error.args[0])
    finally:
        client.close()


def test_a_provider_that_is_away_is_a_temporary_failure_and_nobody_is_slowed_down(
    provider: IdProvider, server: Server
) -> None:
    known, opaque = provider.token(), provider.token("opaque")
    assert server.imap_login("OAUTHBEARER", known) == ("OK", [])
    assert _smtp_login(server, "made-up.but.wrong")[0] == 535
    provider.stop()
    try:
        for _ in range(15):  # more than a wrong password may be tried
            said, challenges = server.imap_login("OAUTHBEARER", opaque)
            assert "UNAVAILABLE" in said
            assert challenges == []
        code, text = _smtp_login(server, opaque)
        assert (code, text.split()[0]) == (454, b"4.7.0")
        assert b"[SYS/TEMP]" in _pop3_login(server, opaque)
        assert server.imap_login("OAUTHBEARER", known) == ("OK", [])  # its keys are known
        with server.imap() as client:
            client.login(ALICE, PASSWORD)  # at once, and not refused unseen
    finally:
        provider.start()


def test_new_keys_are_found_and_revoked_tokens_end(provider: IdProvider, tmp_path: Path) -> None:
    """The provider starts anew with another key: nothing but a new token's `kid` tells of it."""
    with serving(tmp_path / "data", described(provider)) as strict:
        token = provider.token()
        assert strict.imap_login("XOAUTH2", token) == ("OK", [])
        revoked = provider.token("opaque")
        provider.revoke(revoked)
        assert strict.imap_login("XOAUTH2", revoked)[0] != "OK"
    provider.stop()
    provider.start("second")
    with serving(tmp_path / "again", described(provider)) as fresh:
        assert fresh.imap_login("XOAUTH2", provider.token()) == ("OK", [])
        assert fresh.imap_login("XOAUTH2", token)[0] != "OK"
