"""How names are proved: by the DNS, by a certificate, by a document."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography import x509

from postier.acme.alpn import ACME_TLS, challenge_certificate
from postier.acme.names import Wanted
from postier.certifying import AlpnProofs
from postier.dns.edit import UpdateError
from postier.dns.update import TsigKey, ZoneUpdater
from postier.http.acme_proofs import proof_documents
from postier.http.documents import public_application
from postier.net.client_hello import ClientHello
from postier.store.api import AcmeChallenge
from postier.testing.acme_scene import HOST, Scene
from postier.testing.dns_update import UpdateServer
from postier.testing.web import ask

OnScene = Callable[[Callable[[Scene], Awaitable[None]]], None]
KEY = TsigKey("k", "hmac-sha256", b"secret")
PLACE = f"_acme-challenge.{HOST}"
Records = dict[tuple[str, str], list[str]]


def on_zone(on_scene: OnScene, test: Callable[[Scene, Records], Awaitable[None]], **there: list[str]) -> None:
    """With dns-01, and a zone that may be written."""

    async def run(scene: Scene) -> None:
        records = {tuple(key.split(" ")): texts for key, texts in there.items()}
        async with UpdateServer("orchard.test", KEY, cast("Records", records)) as server:
            scene.editor = ZoneUpdater(("127.0.0.1", server.port), KEY)
            scene.plan = replace(scene.plan, challenge="dns-01")
            await test(scene, server.records)

    on_scene(run)


def test_a_record_comes_and_goes(on_scene: OnScene) -> None:
    seen: list[Any] = []

    async def test(scene: Scene, zone: Records) -> None:
        def look(made: Any) -> Any:
            seen.append(list(zone.get((PLACE, "TXT"), [])))
            return made

        scene.authority.spoil["challenge"] = look
        assert (await scene.one()).state == "renewed"
        assert len(seen) == 1
        assert len(seen[0]) == 2  # ours, beside what others have put there
        assert zone[(PLACE, "TXT")] == ['"somebody else\'s"']
        assert await scene.store.reader.acme_challenges("dns-01") == []

    on_zone(on_scene, test, **{f"{PLACE} TXT": ['"somebody else\'s"']})


def test_a_wildcard_and_its_domain_are_proved_side_by_side(on_scene: OnScene) -> None:
    async def test(scene: Scene, zone: Records) -> None:
        scene.wanted[:] = [Wanted("orchard.test", ("*.orchard.test", "orchard.test"))]
        outcome = await scene.one()
        assert outcome.names == ("*.orchard.test", "orchard.test")
        assert not zone.get(("_acme-challenge.orchard.test", "TXT"))

    on_zone(on_scene, test)


def test_an_alias_leads_to_the_zone_that_may_be_written(on_scene: OnScene) -> None:
    seen: list[Any] = []

    async def test(scene: Scene, zone: Records) -> None:
        def look(made: Any) -> Any:
            seen.extend(zone.get(("proofs.orchard.test", "TXT"), []))
            return made

        scene.authority.spoil["challenge"] = look
        assert (await scene.one()).state == "renewed"
        assert len(seen) == 1

    on_zone(on_scene, test, **{f"{PLACE} CNAME": ["proofs.orchard.test."]})


def test_names_outside_the_zone_are_left_out(on_scene: OnScene) -> None:
    async def test(scene: Scene, _: Records) -> None:
        scene.wanted[:] = [Wanted(HOST, (HOST, "mail.far.test"))]
        outcome = await scene.one()
        assert outcome.names == (HOST,)
        assert outcome.left_out[0].startswith("mail.far.test: ")

    on_zone(on_scene, test)


def test_what_a_killed_process_left_in_the_zone_is_taken_out_later(on_scene: OnScene) -> None:
    async def test(scene: Scene, zone: Records) -> None:
        await scene.one()
        now = int(scene.clock.now())
        left = AcmeChallenge("dns-01", PLACE, "left-behind", now + 10)
        await scene.store.transact(lambda tx: tx.set_acme_challenge(left))
        await scene.one()
        assert zone[(PLACE, "TXT")] == ['"left-behind"']  # it may still be needed
        scene.clock.seconds += 10
        await scene.one()
        assert not zone.get((PLACE, "TXT"))
        assert await scene.store.reader.acme_challenges("dns-01") == []

    on_zone(on_scene, test, **{f"{PLACE} TXT": ['"left-behind"']})


def test_a_zone_that_cannot_be_written_is_told(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        class Broken:
            async def zone_of(self, name: str) -> str:
                return "orchard.test"

            async def read(self, name: str, kind: str) -> Any:
                raise UpdateError("the server refuses it")

        scene.editor = cast("Any", Broken())
        scene.plan = replace(scene.plan, challenge="dns-01")
        assert (await scene.one()).text == (
            "the proof cannot be written into the zone: the server refuses it"
        )
        scene.editor = None
        assert "dns_update.server" in (await scene.one(now=True)).text

    on_scene(test)


def test_the_certificate_that_proves_a_name() -> None:
    """RFC 8737 3: the name alone, and the hash in a critical extension."""
    chain, _ = challenge_certificate(HOST, "token.thumb", 1_700_000_000)
    found = x509.load_pem_x509_certificate(chain)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [HOST]
    oid = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
    extension = found.extensions.get_extension_for_oid(oid)
    assert extension.critical
    value = cast("x509.UnrecognizedExtension", extension.value).value
    assert value == b"\x04\x20" + hashlib.sha256(b"token.thumb").digest()


def test_only_who_asks_for_the_proof_alone_is_shown_it(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        now = int(scene.clock.now())
        for place, expires in ((HOST, now + 60), ("old.orchard.test", now)):
            row = AcmeChallenge("tls-alpn-01", place, "token.thumb", expires)
            await scene.store.transact(lambda tx, one=row: tx.set_acme_challenge(one))  # type: ignore[misc]
        proofs = AlpnProofs()
        ours = ClientHello(HOST, (ACME_TLS,))
        assert proofs("https", ours) is None
        task = asyncio.create_task(
            proofs.follow(cast("Any", SimpleNamespace(store=scene.store, clock=scene.clock)))
        )
        while proofs("https", ours) is None:
            await asyncio.sleep(0.01)
        context = proofs("https", ours)
        assert isinstance(context, ssl.SSLContext)
        assert proofs("https", ours) is context
        for service, hello in (
            ("imaps", ours),
            ("https", ClientHello(HOST, (ACME_TLS, b"h2"))),
            ("https", ClientHello(HOST, (b"http/1.1",))),
            ("https", ClientHello(HOST)),
            ("https", ClientHello("other.test", (ACME_TLS,))),
            ("https", ClientHello("old.orchard.test", (ACME_TLS,))),
            ("https", ClientHello("", (ACME_TLS,))),
        ):
            assert proofs(service, hello) is None
        task.cancel()

    on_scene(test)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("token-1_A", 200),
        ("token-2", 404),
        ("", 404),
        ("a/b", 404),
        ("..%2f..", 404),
        ("x" * 601, 404),
        ("%00", 404),
        ("tok%20en", 404),
    ],
)
def test_the_document_is_there_for_its_token_alone(path: str, status: int) -> None:
    asked: list[str] = []

    async def proof(token: str) -> str:
        asked.append(token)
        return "token-1_A.thumb" if token == "token-1_A" else ""

    application = public_application(proof_documents(proof))
    request = f"GET /.well-known/acme-challenge/{path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
    head, _, body = ask(application, request.encode()).partition(b"\r\n\r\n")
    assert int(head.split(b" ")[1]) == status
    assert (body == b"token-1_A.thumb") == (status == 200)
    assert all(token.isascii() and len(token) <= 600 for token in asked)
