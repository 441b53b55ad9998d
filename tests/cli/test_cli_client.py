"""`postier client`: each form, and that it is what the server itself tells."""

from __future__ import annotations

import asyncio
import json
import plistlib
import subprocess
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from postier.backend import Backend, domain_documents, open_backend
from postier.config.settings import load_settings
from postier.http.documents import public_application
from postier.testing.web import make_certificate, serving, talk, verifying
from postier.tokens import announced

WHO = "anna@orchard.test"


def told(data: Path, folder: Path, host: str, path: str, *, body: bytes = b"") -> bytes:
    """What the server of `data` answers by HTTPS."""
    request = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
    request += f"Content-Length: {len(body)}\r\n\r\n"

    async def whole() -> bytes:
        async with open_backend(load_settings(data), "test") as backend:
            return await _answer(backend, folder, request.encode() + body)

    head, _, answer = asyncio.run(whole()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    return answer


async def _answer(backend: Backend, folder: Path, request: bytes) -> bytes:
    application: Starlette = public_application(domain_documents(backend, announced(backend)))

    async def work(port: int, _: object) -> bytes:
        return await talk(port, request, context=verifying(folder), name="orchard.test")

    answer = await serving(application, work, folder=folder)
    assert isinstance(answer, bytes)
    return answer


def test_what_it_prints_is_what_the_server_tells(postier: Any, data: Path, tmp_path: Path) -> None:
    make_certificate(tmp_path, ["orchard.test"])
    xml = told(data, tmp_path, "autoconfig.orchard.test", f"/mail/config-v1.1.xml?emailaddress={WHO}")
    assert postier("client", WHO, "--xml").stdout_bytes == xml
    pacc = told(data, tmp_path, "ua-auto-config.orchard.test", "/.well-known/user-agent-configuration.json")
    assert postier("client", WHO, "--json").stdout_bytes == pacc
    page = told(data, tmp_path, "mail.orchard.test", f"/setup?address={WHO}&language=fr")
    assert postier("client", WHO, "--page", "--lang", "fr").stdout_bytes == page
    request = f"<Autodiscover><Request><EMailAddress>{WHO}</EMailAddress></Request></Autodiscover>".encode()
    answer = told(data, tmp_path, "orchard.test", "/autodiscover/autodiscover.xml", body=request)
    assert postier("client", WHO, "--autodiscover").stdout_bytes == answer
    signed = told(data, tmp_path, "mail.orchard.test", f"/email.mobileconfig?email={WHO}")
    profile = content_of(signed, data)
    printed = content_of(postier("client", WHO, "--mobileconfig").stdout_bytes, data)
    assert printed == profile


def content_of(signed: bytes, data: Path) -> bytes:
    """What the server's own authority vouches for."""
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any"]
    authority = ["-CAfile", str(data / "tls/ca.pem")]
    return subprocess.run([*command, *authority], input=signed, capture_output=True, check=True).stdout


def test_a_profile_for_pop3_in_a_file(postier: Any, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "anna.mobileconfig"
    postier("client", WHO, "--mobileconfig", "--pop3", "-o", str(file))
    (account,) = plistlib.loads(content_of(file.read_bytes(), data))["PayloadContent"]
    assert account["EmailAccountType"] == "EmailTypePOP"


def test_a_profile_with_an_app_password_inside(postier: Any, listed: Any, data: Path, tmp_path: Path) -> None:
    postier("user", "add", WHO, "--password-stdin")
    file = tmp_path / "phone.mobileconfig"
    words = ("client", WHO, "--mobileconfig", "--app-password", "phone")
    assert "written with -o" in postier(*words, ends=2).stderr
    postier(*words, "-o", str(file))
    (account,) = plistlib.loads(content_of(file.read_bytes(), data))["PayloadContent"]
    assert account["IncomingPassword"] == account["OutgoingPassword"] != ""
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one["name"] for one in listed("app-password", "list", WHO)] == ["phone"]


def test_the_card_is_in_both_languages(postier: Any) -> None:
    assert postier("client", WHO, "--lang", "en").stdout.count("Password") == 1
    assert "Mot de passe" in postier("client", WHO, "--card", "--lang", "fr").stdout


def test_what_it_cannot_do_it_says(postier: Any, fails: Any, data: Path, tmp_path: Path) -> None:
    assert "far.test is not a domain of this server" in fails("client", "bob@far.test")
    nowhere = str(tmp_path / "none" / "file")
    assert "cannot write" in fails("client", WHO, "--xml", "-o", nowhere)
    settings = data / "postier.toml"
    settings.write_text(settings.read_text().replace("# port_base = 0", "port_base = 2000"))
    moved = json.loads(postier("client", WHO, "--json").stdout)["protocols"]
    assert moved["imap"] == {"host": "mail.orchard.test", "port": 2993}


def test_a_key_that_cannot_sign_leaves_the_profile_as_it_is(postier: Any, data: Path) -> None:
    (data / "tls/key.pem").write_text("junk")
    result = postier("client", WHO, "--mobileconfig")
    assert plistlib.loads(result.stdout_bytes)["PayloadType"] == "Configuration"
    assert "profile not signed" in result.stderr


def test_the_provider_of_tokens_is_told_where_that_is_wanted(postier: Any, data: Path) -> None:
    settings = data / "postier.toml"
    text = settings.read_text()
    provider = '[[oidc.providers]]\nissuer = "https://id.orchard.test"\naudience = "mail"\nscope = "mail"\n'
    settings.write_text(text.replace("[oidc]\n", "") + provider)
    assert "OAuth2" not in postier("client", WHO, "--xml").stdout
    settings.write_text(
        text.replace("[oidc]\n", "").replace("[clients]", "[clients]\noauth = true") + provider
    )
    assert "<issuer>https://id.orchard.test</issuer>" in postier("client", WHO, "--xml").stdout
    told = json.loads(postier("client", WHO, "--json").stdout)["authentication"]
    assert told == {"password": True, "oauth-public": {"issuer": "https://id.orchard.test"}}


def test_words_of_ones_own(postier: Any, data: Path, fails: Any) -> None:
    settings = data / "postier.toml"
    text = settings.read_text()
    settings.write_text(text.replace("[clients]", '[clients]\nname = "Obst & Söhne"'))
    assert "<displayName>Obst &amp; Söhne</displayName>" in postier("client", WHO, "--xml").stdout
    settings.write_text(text.replace("[clients]", '[clients]\nlogo = "http://orchard.test/logo.png"'))
    assert 'clients.logo: expected a URL such as "https://' in fails("client", WHO, "--xml")
