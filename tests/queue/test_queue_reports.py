"""Reports in the language and the form that their readers can take, and signed where they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

import msgspec
import pytest

from postier.accounts import domains, people
from postier.accounts.dkim_keys import first_keys
from postier.base.address import Address
from postier.base.clock import SystemClock
from postier.base.domain import Domain
from postier.mailauth.dkim.keys import generate_ed25519, private_key_to_pem
from postier.mailauth.dkim.message import SignedMessage
from postier.mailauth.dkim.result import Dkim
from postier.mailauth.dkim.verify import DkimVerifier
from postier.message.dsn import Action
from postier.message.headers import HeaderFields
from postier.queue import meanings
from postier.queue.api import Outcome
from postier.queue.meanings import LANGUAGES, meaning
from postier.queue.words import WORDS, language_of
from postier.store.api import Domain as StoredDomain
from postier.store.api import QueueRecipient, RecipientState, ReportTarget, Tx
from postier.testing.dns import ZoneResolver

World = Any  # conftest's World
Open = Callable[[], AbstractAsyncContextManager[World]]
MESSAGE = b"From: x@elsewhere.example\r\nSubject: Apples\r\n\r\nHello\r\n"
NO_SUCH_USER = (Outcome.PERMANENT, "5.1.1", "550 5.1.1 no such user")


def parse(data: bytes) -> EmailMessage:
    return cast(EmailMessage, message_from_bytes(data, policy=policy.default))


# ---------------------------------------------------------------------- languages


def test_each_language_has_every_word() -> None:
    assert set(WORDS) == set(LANGUAGES)
    for words in WORDS.values():
        assert set(words.subjects) == set(words.openings) == set(Action)
    for table in (meanings._EXACT, meanings._SUBJECT, meanings._CLASS):
        assert all(len(set(sentences)) == len(LANGUAGES) for sentences in table.values())


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (b"", ""),
        (b"Accept-Language: fr-CA, en;q=0.5\r\n", "fr"),
        (b"Accept-Language: de-FR, nl\r\n", ""),
        (b"Accept-Language: de\r\nContent-Language: FR\r\n", "fr"),
        (b"Accept-Language: en\r\nContent-Language: fr\r\n", "en"),
        (b"Content-Language: \xff, french, ;;,fr ; x\r\n", "fr"),
        (b"Content-Language: " + b"x," * 100_000 + b"fr\r\n", ""),
    ],
)
def test_the_language_of_strangers_is_that_of_their_message(header: bytes, language: str) -> None:
    assert language_of(HeaderFields(header)) == language


def test_people_are_told_in_their_language(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            await people.set_language(w.store, Address.parse("alice@orchard.example"), "fr")
            w.transport.answer = lambda _: NO_SUCH_USER
            await w.enqueue()
            await w.worker.run_due()
            (data,) = await w.inbox(w.alice)
            report = parse(data)
            assert report["Subject"] == "Non remis: Apples & pears"
            assert report["Content-Language"] == "fr"
            text = next(report.iter_parts()).get_content()
            assert "Votre message n’a pas pu être remis à :" in text
            assert "Cette adresse n’existe pas là-bas." in text
            assert "a répondu : 550 5.1.1 no such user" in text

    asyncio.run(go())


def test_what_we_found_out_is_not_put_into_the_hosts_mouth(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: (Outcome.PERMANENT, "5.7.4", "mx.far.example offers no TLS")
            await w.enqueue()
            await w.worker.run_due()
            (data,) = await w.inbox(w.alice)
            text, status, _ = parse(data).iter_parts()
            assert "With mx.far.example [192.0.2.7]:25: mx.far.example offers no TLS" in text.get_content()
            about_bob = status.get_payload()[1]
            assert about_bob["Status"] == "5.7.4"
            assert about_bob["Diagnostic-Code"] is None

    asyncio.run(go())


def test_people_who_chose_none_are_told_in_their_domains(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            await w.store.transact(lambda tx: domains.set_language(tx, Domain("orchard.example"), "fr"))
            w.transport.answer = lambda _: NO_SUCH_USER
            await w.enqueue()
            await people.set_language(w.store, Address.parse("boss@orchard.example"), "en")
            await w.enqueue(sender="boss@orchard.example")
            await w.worker.run_due()
            assert parse((await w.inbox(w.alice))[0])["Subject"].startswith("Non remis")
            assert parse((await w.inbox(w.postmaster))[0])["Subject"].startswith("Not delivered")

    asyncio.run(go())


def test_no_language_of_a_domain_that_is_not_ours(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            with pytest.raises(domains.NoSuchDomain):
                await w.store.transact(lambda tx: domains.set_language(tx, Domain("far.example"), "fr"))

    asyncio.run(go())


# ---------------------------------------------------------------------- meanings


@pytest.mark.parametrize(
    ("status", "words", "part"),
    [
        (
            "5.7.26",
            "550-5.7.26 Your email has been blocked because the sender is unauthenticated. 550-5.7.26 Gmail"
            " requires all senders to authenticate with either SPF or DKIM.",
            "SPF, DKIM and DMARC records",
        ),
        (
            "5.7.515",
            "550 5.7.515 Access denied, sending domain X doesn't meet the required authentication level.",
            "SPF, DKIM and DMARC records",
        ),
        ("4.7.28", "421-4.7.28 Gmail has detected an unusual rate of mail", "so many messages in a time"),
        ("4.7.0", "421 4.7.0 [TSS04] Messages temporarily deferred", "so many messages in a time"),
        ("5.7.1", "550 5.7.1 Unfortunately, messages weren't sent. part of their network is on our block list"
         " (S3140)", "on a list of senders"),
        ("4.7.1", "450 4.7.1 Greylisted, come back", "first messages of a sender wait"),
        ("5.2.2", "552 5.2.2 over quota", "The mailbox is full"),
        ("5.0.0", "550 User unknown", "does not exist"),
        ("5.1.1", "550 5.1.1 nothing known", "does not exist"),
        ("5.9.9", "550 no", "refused the message"),
        ("2.0.0", "250 greylisting is over", "handed on"),
    ],
)  # fmt: skip
def test_what_hosts_say_is_understood(status: str, words: str, part: str) -> None:
    assert part in meaning(status, "en", words)
    assert meaning(status, "fr", words) != meaning(status, "en", words)
    assert meaning(status, "xx", words) == meaning(status, "en", words)


def test_a_long_answer_is_looked_at_in_part() -> None:
    assert "does not exist" in meaning("5.1.1", "en", "x" * 1_000_000 + " over quota")


# ---------------------------------------------------------------------- what leaves this server


async def bounce_for(w: World, sender: str, to: str = "bob@far.example", message: bytes = MESSAGE) -> bytes:
    """The report on a message that a foreign sender gets, as it leaves."""
    w.transport.answer = lambda path: NO_SUCH_USER if path == to else (Outcome.DELIVERED, "2.0.0", "250 ok")
    await w.enqueue(to, sender=sender, message=message)
    await w.worker.run_due()
    return w.transport.messages[-1]


def test_a_report_that_leaves_is_signed_by_the_domain_above_the_host(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            pem = private_key_to_pem(generate_ed25519()).decode()
            settings = domains.DomainSettings(dkim=(domains.DkimKey("s1", "ed25519", pem),))
            record = StoredDomain("orchard.example", None, msgspec.json.encode(settings).decode())
            await w.store.transact(lambda tx: tx.update_domain(record))
            report = await bounce_for(w, "stranger@elsewhere.example")
            assert report.startswith(b"DKIM-Signature: v=1; a=ed25519-sha256;")
            assert b"d=orchard.example; s=s1;" in report

    asyncio.run(go())


def test_a_report_is_signed_with_both_keys_of_a_domain_as_it_is_added(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            keys = first_keys(1_790_000_000)
            settings = msgspec.json.encode(domains.DomainSettings(dkim=keys)).decode()
            record = StoredDomain("orchard.example", None, settings)
            await w.store.transact(lambda tx: tx.update_domain(record))
            report = await bounce_for(w, "stranger@elsewhere.example")
            header, _, body = report.partition(b"\r\n\r\n")
            verifier = DkimVerifier(SignedMessage(header + b"\r\n"))
            verifier.feed(body)
            zone = {f"{key.selector}._domainkey.orchard.example": [("TXT", key.text)] for key in keys}
            found = await verifier.finish(ZoneResolver(zone), SystemClock())
            assert [(each.result, each.algorithm) for each in found] == [
                (Dkim.PASS, "rsa-sha256"),
                (Dkim.PASS, "ed25519-sha256"),
            ]

    asyncio.run(go())


def test_a_stranger_is_told_in_the_language_of_the_message(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            message = b"Content-Language: fr\r\n" + MESSAGE
            report = await bounce_for(w, "stranger@elsewhere.example", message=message)
            assert parse(report)["Subject"].startswith("Non remis")

    asyncio.run(go())


def test_a_stranger_whose_language_is_known_is_told_in_it(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda path: (
                NO_SUCH_USER if path.endswith("far.example") else (Outcome.DELIVERED, "2.0.0", "250 ok")
            )

            async def work(tx: Tx) -> None:
                blob_id, _ = await tx.add_blob(b"", MESSAGE)
                await tx.add_queue_entry(
                    trace_id="t", account_id=None, reverse_path="stranger@elsewhere.example",
                    destination="far.example", blob_id=blob_id, arrived=1, next_attempt=1, language="fr",
                    recipients=[QueueRecipient(0, "bob@far.example", RecipientState.PENDING)],
                )  # fmt: skip

            await w.store.transact(work)
            await w.worker.run_due()
            assert parse(w.transport.messages[-1])["Content-Language"] == "fr"

    asyncio.run(go())


def test_a_report_on_a_message_that_required_tls_requires_it_too_and_holds_no_body(world: Open) -> None:
    """RFC 8689 5."""

    async def go() -> None:
        async with world() as w:
            for required in (False, True):
                w.transport.answer = lambda path: (
                    NO_SUCH_USER if path == "bob@far.example" else (Outcome.DELIVERED, "2.0.0", "250 ok")
                )
                await w.enqueue(sender="stranger@elsewhere.example", ret="FULL", requiretls=required)
                await w.worker.run_due()
                report, envelope = w.transport.messages[-1], w.transport.envelopes[-1]
                assert (envelope.reverse_path, envelope.requiretls) == ("", required)
                assert not envelope.demands_tls
                assert (b"Content-Type: text/rfc822-headers" in report) == required

    asyncio.run(go())


def test_a_report_on_a_message_that_was_held_says_until_when(world: Open) -> None:
    """RFC 4865 5.1.2."""

    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: NO_SUCH_USER
            await w.enqueue(release_at=int(w.clock.now()))
            await w.worker.run_due()
            (data,) = await w.inbox(w.alice)
            status = parse(data).get_payload(1).get_payload(0)
            assert status["Future-Release-Request"].startswith("until;20")
            assert status["Arrival-Date"]

    asyncio.run(go())


def test_a_stranger_with_an_ascii_address_gets_ascii(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            report = await bounce_for(w, "stranger@elsewhere.example", "jörg@far.example")
            assert b"Final-Recipient: utf-8; j\\x{F6}rg@far.example" in report
            assert report.isascii()
            assert not w.transport.envelopes[-1].smtputf8

    asyncio.run(go())


def test_a_stranger_with_an_utf8_address_gets_utf8(world: Open) -> None:
    async def go() -> None:
        async with world() as w:
            report = await bounce_for(w, "jürgen@elsewhere.example", "jörg@far.example")
            assert "Final-Recipient: utf-8; jörg@far.example".encode() in report
            assert "To: jürgen@elsewhere.example".encode() in report
            assert w.transport.envelopes[-1].smtputf8

    asyncio.run(go())


# ------------------------------------------------ reports of ours to other domains (RFC 8460, RFC 9990)


@pytest.mark.parametrize("outcome", [Outcome.PERMANENT, Outcome.TEMPORARY])
def test_a_report_that_is_refused_stops_reports_to_its_place_and_tells_nobody(
    world: Open, outcome: Outcome
) -> None:
    async def go() -> None:
        async with world() as w:
            w.transport.answer = lambda _: (outcome, "5.1.1", "550 no such user")
            tag = "0123456789abcdef"
            target = ReportTarget("rua@far.example", tag, 1, 1)
            await w.store.transact(lambda tx: tx.set_report_target(target))
            await w.enqueue("rua@far.example", sender=f"reports-{tag}@orchard.example", notify="FAILURE")
            await w.worker.run_due()
            found = await w.store.reader.report_target("rua@far.example")
            refused = outcome is Outcome.PERMANENT
            assert bool(found.stopped) is refused
            assert found.reason == ("550 no such user" if refused else "")
            assert await w.inbox(w.alice) == await w.inbox(w.postmaster) == []
            assert len(await w.store.reader.queue_entries()) == (not refused)

    asyncio.run(go())
