"""The device ledger and the adviser, by what real programs and a counting proxy say."""

from __future__ import annotations

import base64
import os
import poplib
import re
import socket
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from postier.demo.world import wait_for
from postier.testing.metering_proxy import MeteringProxy, metering_proxy

COUNT = 100
SIZE = 100 * 1024
LISTING = b"FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"
HOST = "127.0.0.1"


def heavy(number: int) -> bytes:
    """A message of some 100 KiB: a sentence and a picture."""
    head = (
        f"From: Zoe Example {number % 7} <zoe{number % 7}@elsewhere.test>\r\nTo: you@orchard.test\r\n"
        f"Subject: Pictures of the garden, part {number}\r\nMessage-ID: <{os.urandom(8).hex()}@x.test>\r\n"
        f"Date: Mon, 2 Nov 2026 10:{number % 60:02}:00 +0100\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n.Look at this.\r\n--b\r\n"
        "Content-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    ).encode()
    return head + base64.encodebytes(os.urandom(SIZE * 74 // 100)).replace(b"\n", b"\r\n") + b"\r\n--b--\r\n"


class Imap:
    """A client that says who it is, and may compress."""

    def __init__(self, address: tuple[str, int], who: Any, name: str) -> None:
        self._socket = socket.create_connection(address, timeout=30)
        self._deflate: Any = None
        self._inflate: Any = None
        self._held = b""
        self._line()
        self.command(b'LOGIN %b "%b"' % (who.address.encode(), who.password.encode()))
        self.command(b'ID ("name" "%b" "version" "1")' % name.encode())

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        assert data, "the server closed the connection"
        return self._inflate.decompress(data) if self._inflate else data

    def _line(self) -> bytes:
        while b"\r\n" not in self._held:
            self._held += self._receive()
        line, _, self._held = self._held.partition(b"\r\n")
        return line

    def command(self, text: bytes) -> bytes:
        """All that comes before its tagged OK."""
        data = b"t " + text + b"\r\n"
        if self._deflate is not None:
            data = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self._socket.sendall(data)
        answer, self._held = self._held, b""
        while not (found := re.search(rb"(?:^|\r\n)t (OK|NO|BAD)[^\r\n]*\r\n$", answer[-2000:])):
            answer += self._receive()
        assert found[1] == b"OK", answer[-200:]
        return answer

    def compress(self) -> None:
        self.command(b"COMPRESS DEFLATE")
        self._deflate, self._inflate = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)

    def end(self) -> None:
        self.command(b"LOGOUT")
        self._socket.close()


@pytest.fixture
def devices(world: Any) -> Callable[..., Any]:
    """The devices of a person by name, once as many are there, with so many sessions."""

    def look(who: Any, *names: str, sessions: int = 1) -> Any:
        found: dict[str, Any] = {}

        def are_there() -> bool:
            listed = world.postier(who.organisation, "device", "list", who.address)
            found.clear()
            found.update({one["name"]: one for one in listed})
            return all(name in found and found[name]["moved"]["sessions"] >= sessions for name in names)

        wait_for(f"devices {names}", 120, are_there)
        return found

    return look


@pytest.fixture
def imap_wire(world: Any) -> Iterator[MeteringProxy]:
    with metering_proxy(world.orchard.address, world.orchard.port(993)) as proxy:
        yield proxy


@pytest.fixture
def pop3_wire(world: Any) -> Iterator[MeteringProxy]:
    with metering_proxy(world.orchard.address, world.orchard.port(995)) as proxy:
        yield proxy


def fetch_all_by_pop(proxy: MeteringProxy, who: Any) -> int:
    """Everything, as a POP3 program does; returns the octets of the messages."""
    client = poplib.POP3(*proxy.address, timeout=30)
    client.user(who.address)
    client.pass_(who.password)
    octets = 0
    client.uidl()
    for number in range(1, len(client.list()[1]) + 1):
        octets += client.retr(number)[2]
    client.quit()
    proxy.settle()
    return octets


def test_imap_lists_in_ten_kilobytes_where_pop3_moves_ten_megabytes(
    world: Any, person: Any, devices: Any, imap_wire: MeteringProxy, pop3_wire: MeteringProxy
) -> None:
    """On what a proxy counted the ledger agrees to the octet, and the adviser within five percent."""
    alice = person()
    alice.put(*map(heavy, range(COUNT)))

    packed = Imap(imap_wire.address, alice, "Packed")
    packed.compress()
    packed.command(b"EXAMINE INBOX")
    before = imap_wire.to_client
    listed = packed.command(LISTING)
    listing_packed = imap_wire.to_client - before
    packed.end()
    imap_wire.settle()
    packed_out, packed_in = imap_wire.to_client, imap_wire.to_server

    plain = Imap(imap_wire.address, alice, "Plain")
    plain.command(b"EXAMINE INBOX")
    before = imap_wire.to_client
    assert plain.command(LISTING).count(b" ENVELOPE ") == listed.count(b" ENVELOPE ") == COUNT
    listing_plain = imap_wire.to_client - before
    plain.end()
    imap_wire.settle()
    plain_out = imap_wire.to_client - packed_out

    fetch_all_by_pop(pop3_wire, alice)

    assert listing_packed < 10_240
    assert pop3_wire.to_client > COUNT * SIZE

    found = devices(alice, "Packed 1", "Plain 1", "POP3 127.0.0.0/24")
    moved = found["Packed 1"]["moved"]
    assert moved["wire_listing"] == packed_out
    assert moved["wire_commands"] == packed_in
    assert moved["listing"] > 4 * moved["wire_listing"] - 8_000
    assert found["Plain 1"]["moved"]["listing"] == plain_out
    moved = found["POP3 127.0.0.0/24"]["moved"]
    assert moved["wire_listing"] + moved["wire_bodies"] + moved["wire_attachments"] == pop3_wire.to_client
    assert moved["wire_commands"] == pop3_wire.to_server
    assert moved["attachments"] > 0.95 * pop3_wire.to_client

    advice = world.postier(world.orchard, "advise", alice.address)
    assert advice["protocol"] == "imap"
    numbers = advice["mailbox"]
    assert abs(numbers["listing"] - listing_plain) < 0.05 * listing_plain
    assert abs(numbers["listing_packed"] - listing_packed) < 0.05 * listing_packed
    assert abs(numbers["pop_octets"] - pop3_wire.to_client) < 0.01 * pop3_wire.to_client
    assert numbers["pop_octets"] > 1000 * numbers["listing_packed"]


def test_mbsync_is_a_device_that_has_everything(
    need: Any, shell: Any, person: Any, corpus: dict[str, bytes], devices: Any
) -> None:
    need("mbsync")
    alice = person()
    alice.put(*corpus.values())
    tree = shell.home / "mail"
    tree.mkdir()
    config = shell.write(
        "mbsyncrc",
        f"IMAPAccount us\nHost {alice.host}\nPort {alice.port(993)}\nUser {alice.address}\n"
        f'Pass "{alice.password}"\nSSLType IMAPS\nSystemCertificates no\n'
        f"CertificateFile {alice.certificate}\nTimeout 30\n\nIMAPStore far\nAccount us\n\n"
        f"MaildirStore near\nPath {tree}/\nInbox {tree}/INBOX\n\n"
        "Channel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSync Pull\nSyncState *\n",
    )
    shell.run("mbsync", "-c", config, "-a")
    found = devices(alice, "IMAP 127.0.0.0/24", sessions=2)  # it says nothing of itself: as our own upload
    moved, (inbox,) = found["IMAP 127.0.0.0/24"]["moved"], found["IMAP 127.0.0.0/24"]["mailboxes"]
    whole = sum(map(len, corpus.values()))
    assert moved["uploads"] == whole
    assert moved["bodies"] + moved["attachments"] == whole
    assert moved["attachments"] > 200_000
    assert (inbox["mailbox"], inbox["behind"], inbox["fetched_high"]) == ("INBOX", 0, len(corpus))
    assert found["IMAP 127.0.0.0/24"]["tls"] == "TLSv1.3"


def test_curl_and_msmtp_are_two_devices(
    need: Any, shell: Any, person: Any, corpus: dict[str, bytes], devices: Any
) -> None:
    need("curl")
    need("msmtp")
    alice = person()
    alice.put(corpus["plain"], corpus["attached"])
    curl = ["curl", "-sS", "--cacert", alice.ca, "--user", f"{alice.address}:{alice.password}"]
    shell.run(*curl, "--resolve", f"{alice.organisation.hostname}:{alice.port(995)}:{alice.host}",
              f"pop3s://{alice.organisation.hostname}:{alice.port(995)}/2")  # fmt: skip
    config = shell.write(
        "msmtprc",
        f"account test\nhost {alice.host}\nport {alice.port(465)}\ntls on\ntls_starttls off\n"
        f"tls_trust_file {alice.ca}\nauth plain\nuser {alice.address}\n"
        f'password "{alice.password}"\nfrom {alice.address}\ntimeout 20\n',
    )
    message = f"From: {alice.address}\r\nSubject: Sent\r\n\r\n.Hello\r\n".encode()
    shell.run("msmtp", "-C", config, "-a", "test", alice.address, stdin=message)
    found = devices(alice, "POP3 127.0.0.0/24", "SUBMISSION 127.0.0.0/24")
    pop = found["POP3 127.0.0.0/24"]
    assert pop["moved"]["bodies"] + pop["moved"]["attachments"] == len(corpus["attached"])
    assert pop["mailboxes"][0]["fetched_high"] == 2
    sent = found["SUBMISSION 127.0.0.0/24"]
    assert sent["moved"]["sent"] == 1
    assert sent["moved"]["uploads"] >= len(message)
    assert sent["last_trace"]
    assert sent["last_sent"] is not None


def test_fetchmail_that_takes_mail_away_from_a_phone_is_named(
    need: Any, shell: Any, person: Any, world: Any, corpus: dict[str, bytes], devices: Any, imap_wire: Any
) -> None:
    need("fetchmail")
    alice = person()
    alice.put(corpus["plain"], corpus["dots"], corpus["utf8"])
    phone = Imap(imap_wire.address, alice, "Phone")
    phone.command(b"SELECT INBOX")
    phone.command(b"FETCH 1:* (UID FLAGS ENVELOPE)")
    phone.command(b"UID FETCH 1 BODY.PEEK[]")
    phone.end()
    mda, _ = shell.mda()
    name = alice.organisation.hostname
    shell.write(
        "fetchmailrc",
        f"poll {name} via {alice.host} protocol pop3 port {alice.port(995)}\n  timeout 30 uidl\n"
        f'  username "{alice.address}" password "{alice.password}"\n'
        f'  ssl sslcertck sslcertfile {alice.ca} sslcommonname {name} nokeep\n  mda "{mda}"\n',
    )
    shell.run("fetchmail", "--nosyslog", "--invisible", "-f", "fetchmailrc", "-i", "ids", "--pidfile", "pid")
    found = devices(alice, "POP3 127.0.0.0/24", "Phone 1")
    office = found["POP3 127.0.0.0/24"]["moved_lately"]
    assert office["deleted"] == 3
    assert office["deleted_octets"] == sum(len(corpus[one]) for one in ("plain", "dots", "utf8"))
    names = [one["account"] for one in world.postier(world.orchard, "advise", "--all")]
    assert alice.address in names
    advice = world.postier(world.orchard, "advise", alice.address)
    assert advice["reasons"][0]["reason"] == "loses"
    said = {one["label"]: one["reason"] for one in advice["devices"]}
    assert (said["POP3 127.0.0.0/24"], said["Phone 1"]) == ("device.deletes", "device.well")
