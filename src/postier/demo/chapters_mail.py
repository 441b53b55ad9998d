"""Chapters 1 to 4 and 6: mail that is sent, carried, checked, read, and what it costs on the wire."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator

from postier.demo.clients import ImapClient
from postier.demo.mail import arrival, compose, fetched, imap, pop, reply_to_data, submit, submit_tls
from postier.demo.rows import Row
from postier.demo.world import World

__all__ = ["carry", "push", "take", "verify", "weigh"]

SUBJECT = "Récolte d'automne 🍎"
ATTACHMENT = 3_000_000
LISTING = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"


def carry(world: World) -> Iterator[Row]:
    """1: submitted on both ports, relayed with TLS and two signatures, delivered at home without leaving."""
    for name, connect in (("587 with STARTTLS", submit), ("465 with TLS", submit_tls)):
        recipients = ["bob@harbor.test", "carol@orchard.test"]
        message = compose(
            "Alice <alice@orchard.test>", recipients, SUBJECT, "Les pommes sont là.\n", ATTACHMENT
        )
        with connect(world.orchard, "alice") as client:
            reply = reply_to_data(client, "alice@orchard.test", recipients, message.as_bytes())
        yield Row(reply.startswith("250"), f"Alice submits 4 MB on {name}", reply)
        there = arrival(world.harbor, "bob", "Message-ID", message["Message-ID"])
        received = _fields(there, b"received")
        relayed = b"esmtps" in received[0].lower() and b"mail.orchard.test" in received[0]
        yield Row(relayed, "the relay finds harbor's MX and speaks TLS to it", _short(received[0]))
        signatures = b" ".join(_fields(there, b"dkim-signature"))
        both = b"a=rsa-sha256" in signatures and b"a=ed25519-sha256" in signatures
        yield Row(
            both, "it signs with both keys", " ".join(_found(rb"a=[a-z0-9-]+|s=[a-z0-9-]+", signatures))
        )
        home = arrival(world.orchard, "carol", "Message-ID", message["Message-ID"])
        hops = _fields(home, b"received")
        yield Row(len(hops) == 1, "the colleague's copy does not leave", f"{len(hops)} Received field")


def verify(world: World) -> Iterator[Row]:
    """2: harbor checks SPF, DKIM and DMARC, says so, and keeps what Alice wrote byte for byte."""
    message = compose("Alice <alice@orchard.test>", ["bob@harbor.test"], SUBJECT, "Mot à mot.\n")
    original = message.as_bytes()
    with submit(world.orchard, "alice") as client:
        reply_to_data(client, "alice@orchard.test", ["bob@harbor.test"], original)
    there = arrival(world.harbor, "bob", "Message-ID", message["Message-ID"])
    results = b" ".join(_fields(there, b"authentication-results"))
    for method, wanted in ((b"spf=pass", 1), (b"dkim=pass", 2), (b"dmarc=pass", 1)):
        yield Row(
            results.count(method) == wanted, f"harbor finds {method.decode()}", _around(results, method)
        )
    yield Row(
        there.endswith(b"\r\n" + original),
        "Alice's bytes are unchanged",
        f"{len(original)} octets at the end",
    )


def push(world: World) -> Iterator[Row]:
    """3: two connections of Bob's see everything at once; he fetches a text without its attachment."""
    with imap(world.harbor, "bob") as first, imap(world.harbor, "bob") as second:
        first.must("SELECT INBOX")
        second.must("SELECT INBOX")
        first.idle()
        second.idle()
        message = compose("dora@harbor.test", ["bob@harbor.test"], "Thé ?", "À quatre heures.\n")
        with submit(world.harbor, "dora") as client:
            reply_to_data(client, "dora@harbor.test", ["bob@harbor.test"], message.as_bytes())
            sent = time.monotonic()
        waits = [client.idle_until(b" EXISTS")[1] - sent for client in (first, second)]
        told = ", ".join(f"{max(0.0, wait) * 1000:.0f} ms" for wait in waits)
        yield Row(max(waits) < 1.0, "new mail shows on both without asking", f"after {told}")
        first.done()
        yield from _changes(first, second)
    yield from _partial(world)


def _changes(first: ImapClient, second: ImapClient) -> Iterator[Row]:
    uid = _numbers(first.must("UID SEARCH ALL"), b"SEARCH")[-1]
    first.must(f"UID STORE {uid} +FLAGS (\\Flagged)")
    seen, _ = second.idle_until(b"\\Flagged")
    yield Row(b"FETCH" in seen, "a flag set on one shows on the other", _short(seen))
    folder = '"Projets/&AMk-t&AOk-"'  # Projets/Été, in modified UTF-7
    first.must(f"CREATE {folder}")
    first.must(f"UID MOVE {uid} {folder}")
    seen, _ = second.idle_until(b" EXPUNGE")
    second.done()
    yield Row(True, "moved to a new folder on one, gone on the other", _short(seen))
    first.must(f"SELECT {folder}")
    second.must(f"SELECT {folder}")
    second.idle()
    first.must("STORE 1 +FLAGS.SILENT (\\Deleted)")
    first.must("EXPUNGE")
    seen, _ = second.idle_until(b" EXPUNGE")
    second.done()
    yield Row(True, "deleted on one, gone on the other", _short(seen))


def _partial(world: World) -> Iterator[Row]:
    with imap(world.harbor, "bob") as client:
        client.must("SELECT INBOX")
        uid = _numbers(client.must("UID SEARCH LARGER 3000000"), b"SEARCH")[-1]
        before = client.octets_in
        shown = b"".join(client.must(f"UID FETCH {uid} BODYSTRUCTURE"))
        text = fetched(client.must(f"UID FETCH {uid} BODY.PEEK[1]"))
        part = fetched(client.must(f"UID FETCH {uid} BODY.PEEK[2]<0.100>"))
        cost = client.octets_in - before
    yield Row(b'"pdf"' in shown.lower(), "BODYSTRUCTURE tells of the attachment", _short(shown))
    small = len(part) == 100 and b"pommes" in text and cost < 5000
    yield Row(
        small, "the text and 100 octets of the attachment", f"{cost} octets on the wire of {ATTACHMENT}"
    )


def take(world: World) -> Iterator[Row]:
    """4: Bob's old computer downloads and deletes; what it has not finished did not happen."""
    client = pop(world.harbor, "bob")
    before = client.multiline("UIDL")
    client.must("DELE 1")
    client.close()  # the cable is pulled: no QUIT
    with pop(world.harbor, "bob") as again:
        after = again.multiline("UIDL")
        yield Row(before == after, "UIDL is the same on the next connection", _short(after[0]))
        yield Row(len(after) == len(before), "a dropped connection deletes nothing", f"{len(after)} messages")
        size = sum(map(len, again.multiline("RETR 1")))
        again.must("DELE 1")
        again.must("QUIT")
    with pop(world.harbor, "bob") as last:
        left = last.multiline("UIDL")
        last.must("QUIT")
    yield Row(
        [line.split()[1] for line in left] == [line.split()[1] for line in before[1:]],
        "download and delete",
        f"{size} octets taken, {len(left)} messages left",
    )


def weigh(world: World) -> Iterator[Row]:
    """6: 100 messages of 100 KB: what POP3 moves, and what IMAP's first listing moves."""
    with imap(world.harbor, "erin") as client:
        for message in _correspondence(100):
            client.must("APPEND INBOX", message)
    with pop(world.harbor, "erin") as old:
        for number in range(1, 101):
            old.multiline(f"RETR {number}")
        moved = old.octets_in + old.octets_out
        old.must("QUIT")
    yield Row(moved > 9_000_000, "POP3 downloads all 100", f"{moved:,} octets on the socket, TLS included")
    with imap(world.harbor, "erin") as new:
        new.must("SELECT INBOX")
        plain = new.octets_in
        new.must(f"FETCH 1:* {LISTING}")
        yield Row(
            True, "IMAP lists all 100, without COMPRESS", f"{new.octets_in - plain:,} octets on the socket"
        )
        new.must("COMPRESS DEFLATE")
        new.start_compression()
        before = new.octets_in + new.octets_out
        listed = new.must(f"FETCH 1:* {LISTING}")
        moved = new.octets_in + new.octets_out - before
    yield Row(
        len(listed) == 100 and moved <= 10_000,
        "IMAP lists all 100, with COMPRESS=DEFLATE",
        f"{moved:,} octets on the socket, TLS included",
    )


def _correspondence(count: int) -> Iterator[bytes]:
    """Messages of 100 KB as a small company gets them: a few dozen people, threads, attachments."""
    chance = random.Random(6)
    people = [f"{first} {last}" for first in _FIRST for last in _LAST]
    for _ in range(count):
        sender = chance.choice(people)
        address = sender.lower().replace(" ", ".") + "@" + chance.choice(_COMPANIES)
        subject = chance.choice(_SUBJECTS) + chance.choice(("", "", f" {chance.randrange(100, 999)}"))
        if chance.random() < 0.4:
            subject = "Re: " + subject
        message = compose(
            f"{sender} <{address}>", ["erin@harbor.test"], subject, "Bonjour,\n\nci-joint.\n", 73_000
        )
        yield message.as_bytes()


_FIRST = ("Amélie", "Bruno", "Chloé", "David", "Elsa", "Farid", "Grace", "Hugo")
_LAST = ("Martin", "Dubois", "Roux", "Smith", "Garcia")
_COMPANIES = ("meunier.example", "atelier-nord.example", "harbor-lights.example", "papeterie.example")
_SUBJECTS = (
    "Facture", "Compte rendu de la réunion", "Livraison de lundi", "Devis pour le hangar", "Planning",
    "Photos du chantier", "Contrat signé", "Question sur la commande", "Invoice", "Meeting notes",
)  # fmt: skip


def _fields(message: bytes, name: bytes) -> list[bytes]:
    """The values of a header field, unfolded, top to bottom."""
    header = message.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    lines = (line.partition(b":") for line in header.split(b"\r\n"))
    return [value.strip() for field, _, value in lines if field.lower() == name]


def _numbers(responses: list[bytes], kind: bytes) -> list[int]:
    return [int(word) for line in responses if kind in line for word in line.split() if word.isdigit()]


def _found(pattern: bytes, text: bytes) -> list[str]:
    return [found.decode() for found in re.findall(pattern, text)]


def _around(text: bytes, word: bytes) -> str:
    at = text.find(word)
    return _short(text[at : at + 60]) if at >= 0 else "not found: " + _short(text)


def _short(data: bytes) -> str:
    text = " ".join(data.decode("utf-8", "replace").split())
    return text if len(text) <= 90 else text[:87] + "..."
