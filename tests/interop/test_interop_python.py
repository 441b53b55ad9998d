"""Python's own clients: imaplib, poplib and smtplib, over TLS from the start and by STARTTLS."""

from __future__ import annotations

import email.policy
import imaplib
import poplib
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest


@pytest.fixture
def smtp(person: Any) -> Iterator[tuple[Any, smtplib.SMTP]]:
    """A person and a submission session, logged in."""
    alice = person()
    with smtplib.SMTP(alice.host, alice.port(587), "laptop.orchard.test", timeout=30) as client:
        client.starttls(context=alice.organisation.tls())
        client.login(alice.address, alice.password)
        yield alice, client


@pytest.fixture
def imap(person: Any) -> Iterator[tuple[Any, imaplib.IMAP4]]:
    """A person and an IMAP session after STARTTLS, logged in."""
    alice = person()
    with imaplib.IMAP4(alice.host, alice.port(143), timeout=30) as client:
        client.starttls(alice.organisation.tls())
        client.login(alice.address, alice.password)
        yield alice, client


def _maildrop(who: Any, port: int) -> poplib.POP3:
    if port == 995:
        client: poplib.POP3 = poplib.POP3_SSL(
            who.host, who.port(995), context=who.organisation.tls(), timeout=30
        )
    else:
        client = poplib.POP3(who.host, who.port(110), timeout=30)
        client.stls(who.organisation.tls())
    client.user(who.address)
    client.pass_(who.password)
    return client


# ------------------------------------------------------------------ SMTP


def test_smtplib_sends_an_international_message(smtp: Any, person: Any) -> None:
    alice, client = smtp
    bob = person()
    message = EmailMessage(policy=email.policy.SMTPUTF8)
    message["From"], message["To"], message["Subject"] = alice.address, bob.address, "Été à Nîmes 😀"
    message.set_content("Où es-tu ?\n", cte="8bit")
    assert client.has_extn("smtputf8")
    client.send_message(message, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    (stored,) = bob.messages()
    assert stored.endswith(message.as_bytes(policy=email.policy.SMTPUTF8))


def test_smtplib_tells_which_recipients_were_refused(smtp: Any, person: Any) -> None:
    alice, client = smtp
    bob = person()
    text = f"From: {alice.address}\r\nSubject: x\r\n\r\nx\r\n"
    refused = client.sendmail(alice.address, [bob.address, "nobody@orchard.test"], text)
    assert list(refused) == ["nobody@orchard.test"]
    assert refused["nobody@orchard.test"][0] == 550
    assert len(bob.messages()) == 1


def test_smtplib_many_messages_on_one_connection(smtp: Any, person: Any) -> None:
    alice, client = smtp
    bob = person()
    for number in range(50):
        text = f"From: {alice.address}\r\nSubject: {number}\r\n\r\n{number}\r\n"
        assert client.sendmail(alice.address, [bob.address], text) == {}
    bodies = [message.rpartition(b"\r\n\r\n")[2] for message in bob.messages()]
    assert bodies == [b"%d\r\n" % number for number in range(50)]


def test_smtplib_size_is_announced_and_held(smtp: Any) -> None:
    alice, client = smtp
    client.ehlo()
    limit = int(client.esmtp_features["size"])
    code, text = client.mail(alice.address, [f"SIZE={limit + 1}"])
    assert (code, text[:5]) == (552, b"5.3.4")
    assert client.mail(alice.address, [f"SIZE={limit}"])[0] == 250
    assert client.rset()[0] == 250
    assert client.vrfy(alice.address)[0] in (250, 252)
    assert client.noop()[0] == 250


@pytest.mark.parametrize("port", [25, 587, 465])
def test_smtplib_quits(person: Any, port: int) -> None:
    alice = person()
    if port == 465:
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            alice.host, alice.port(465), context=alice.organisation.tls(), timeout=30
        )
    else:
        client = smtplib.SMTP(alice.host, alice.port(port), timeout=30)
    assert client.ehlo()[0] == 250
    assert client.quit()[0] == 221


# ------------------------------------------------------------------ IMAP


def test_imaplib_keeps_every_octet(imap: Any, corpus: dict[str, bytes]) -> None:
    _, client = imap
    for data in corpus.values():
        assert client.append("Archive", "\\Seen", "", data)[0] == "OK"
    assert client.select("Archive") == ("OK", [b"%d" % len(corpus)])
    for number, data in enumerate(corpus.values(), start=1):
        head, body = data.partition(b"\r\n\r\n")[::2]
        whole = client.fetch(str(number), "(RFC822.SIZE BODY.PEEK[])")[1][0]
        assert whole[1] == data
        assert f"RFC822.SIZE {len(data)}".encode() in whole[0]
        assert client.fetch(str(number), "BODY.PEEK[HEADER]")[1][0][1] == head + b"\r\n\r\n"
        assert client.fetch(str(number), "BODY.PEEK[TEXT]")[1][0][1] == body
        assert client.fetch(str(number), "BODY.PEEK[]<10.20>")[1][0][1] == data[10:30]


def test_imaplib_searches(imap: Any, corpus: dict[str, bytes]) -> None:
    alice, client = imap
    alice.put(*corpus.values())
    client.select()
    numbers = {name: b"%d" % number for number, name in enumerate(corpus, start=1)}
    assert client.search(None, "SUBJECT", "dots")[1] == [numbers["dots"]]
    assert client.search(None, "HEADER", "Message-ID", "<utf8@x.test>")[1] == [numbers["utf8"]]
    assert client.search(None, "LARGER", "100000")[1] == [numbers["attached"]]
    client.literal = "café".encode()
    assert client.search("UTF-8", "BODY")[1] == [numbers["utf8"]]
    assert client.search(None, "NOT", "ALL")[1] == [b""]
    assert client.uid("SEARCH", "1:2", "UNSEEN")[1] == [b"1 2"]


def test_imaplib_flags_copies_moves_and_expunges(imap: Any, corpus: dict[str, bytes]) -> None:
    alice, client = imap
    alice.put(*corpus.values())
    client.select()
    assert client.store("1", "+FLAGS", "(\\Flagged Wichtig)")[0] == "OK"
    assert set(imaplib.ParseFlags(client.fetch("1", "FLAGS")[1][0])) >= {b"\\Flagged", b"Wichtig"}
    assert client.copy("1", "Archive")[0] == "OK"
    assert client.uid("MOVE", "2", "Trash")[0] == "OK"
    assert client.response("EXPUNGE")[1] == [b"2"]
    client.store("1", "+FLAGS.SILENT", "\\Deleted")
    assert client.expunge() == ("OK", [b"1"])
    data = list(corpus.values())
    assert alice.messages() == data[2:]
    assert alice.messages("Archive") == data[:1]
    assert alice.messages("Trash") == data[1:2]
    assert alice.flags("Archive") == [frozenset({b"\\Flagged", b"Wichtig"})]


def test_imaplib_mailboxes(imap: Any) -> None:
    _, client = imap
    assert client.create('"Clients/&AMk-t&AOk- 2026"')[0] == "OK"
    assert client.create('"Clients/&AMk-t&AOk- 2026"')[0] == "NO"
    assert client.subscribe('"Clients/&AMk-t&AOk- 2026"')[0] == "OK"
    assert any(b"&AMk-t&AOk- 2026" in one for one in client.lsub()[1])
    assert client.rename("Clients", "Kunden")[0] == "OK"
    assert any(b'"Kunden/&AMk-t&AOk- 2026"' in one for one in client.list()[1])
    assert client.delete('"Kunden/&AMk-t&AOk- 2026"')[0] == "OK"
    assert client.select("nowhere")[0] == "NO"
    assert client.status("INBOX", "(MESSAGES UNSEEN UIDNEXT UIDVALIDITY)")[0] == "OK"
    assert client.delete("INBOX")[0] == "NO"
    with pytest.raises(imaplib.IMAP4.error, match="BAD"):
        client.xatom("NONSENSE")


def test_imaplib_sees_what_another_session_did(imap: Any, corpus: dict[str, bytes]) -> None:
    alice, client = imap
    client.select()
    alice.put(corpus["plain"])
    assert client.noop()[0] == "OK"
    assert client.response("EXISTS")[1][-1] == b"1"
    with alice.imap() as other:
        other.select()
        other.store("1", "+FLAGS", "\\Deleted")
        other.expunge()
    client.noop()
    assert client.response("EXPUNGE")[1] == [b"1"]


def test_imaplib_authenticates_with_plain(person: Any) -> None:
    alice = person()
    with imaplib.IMAP4_SSL(
        alice.host, alice.port(993), ssl_context=alice.organisation.tls(), timeout=30
    ) as client:
        answer = f"\0{alice.address}\0{alice.password}".encode()
        assert client.authenticate("PLAIN", lambda _: answer)[0] == "OK"


# ------------------------------------------------------------------ POP3


@pytest.mark.parametrize("port", [995, 110])
def test_poplib_reads_everything(person: Any, corpus: dict[str, bytes], port: int) -> None:
    alice = person()
    alice.put(*corpus.values())
    client = _maildrop(alice, port)
    assert client.stat() == (len(corpus), sum(map(len, corpus.values())))
    for number, data in enumerate(corpus.values(), start=1):
        _, lines, _ = client.retr(number)
        assert b"".join(line + b"\r\n" for line in lines) == data
        head = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
        assert client.top(number, 0)[1] == [*head, b""]
    client.quit()
    assert len(alice.messages()) == len(corpus)


def test_poplib_deletes_at_quit_and_not_before(person: Any, corpus: dict[str, bytes]) -> None:
    alice = person()
    alice.put(*corpus.values())
    client = _maildrop(alice, 995)
    identifiers = client.uidl()[1]
    client.dele(1)
    client.dele(3)
    client.rset()
    client.dele(2)
    with pytest.raises(poplib.error_proto):
        client.retr(2)
    assert len(alice.messages()) == len(corpus)
    client.quit()
    assert alice.messages() == [data for name, data in corpus.items() if name != "dots"]
    again = _maildrop(alice, 995)
    left = [line.split()[1] for line in again.uidl()[1]]
    assert left == [line.split()[1] for number, line in enumerate(identifiers) if number != 1]
    again.quit()


def test_poplib_a_cut_connection_deletes_nothing(person: Any, corpus: dict[str, bytes]) -> None:
    alice = person()
    alice.put(corpus["plain"])
    client = _maildrop(alice, 995)
    client.dele(1)
    client.close()
    assert alice.messages() == [corpus["plain"]]
