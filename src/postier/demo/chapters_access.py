"""Chapter 10: Alice's devices find everything by themselves, each has a password, none takes from another."""

from __future__ import annotations

import http.client
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

from postier.demo.clients import ImapClient, PopClient
from postier.demo.mail import arrival, compose, imap, reply_to_data, submit
from postier.demo.rows import Row
from postier.demo.world import World

__all__ = ["let_in"]

ALICE = "alice@orchard.test"


def let_in(world: World) -> Iterator[Row]:
    """10: settings from the address alone, app passwords, POP3 that takes nothing away, and what is known of
    the devices afterwards."""
    yield _settings(world)
    phone = _app_password(world, "Alice's phone")
    desk = _app_password(world, "Alice's desk")
    yield from _take_in_turn(world, phone["password"], desk["password"])
    yield from _revoke(world, phone)
    yield from _known(world)


def _settings(world: World) -> Row:
    """As Thunderbird asks, before anybody has logged in."""
    orchard = world.orchard
    web = http.client.HTTPConnection(orchard.address, orchard.port(80), timeout=30)
    web.request(
        "GET", f"/mail/config-v1.1.xml?emailaddress={ALICE}", headers={"Host": "autoconfig.orchard.test"}
    )
    document = web.getresponse().read()
    web.close()
    found = {
        server.get("type", ""): f"{server.findtext('hostname')}:{server.findtext('port')}"
        for server in ElementTree.fromstring(document).iter()  # noqa: S314 - our own server's
        if server.tag in ("incomingServer", "outgoingServer") and server.findtext("socketType") == "SSL"
    }
    wanted = f"{orchard.hostname}:{orchard.port(993)}"
    return Row(found.get("imap") == wanted, "a mail program finds its settings", f"imap {found.get('imap')}")


def _app_password(world: World, device: str) -> dict[str, Any]:
    made = world.postier(world.orchard, "app-password", "add", ALICE, "--name", device)
    assert isinstance(made, dict)
    return made


def _take_in_turn(world: World, phone: str, desk: str) -> Iterator[Row]:
    """Two devices download and delete; each gets the message, and IMAP still has it."""
    message = compose("dora@harbor.test", [ALICE], "Pour tous les appareils", "Une fois chacun.\n")
    with submit(world.harbor, "dora") as client:
        reply_to_data(client, "dora@harbor.test", [ALICE], message.as_bytes())
    wanted = str(message["Message-ID"])
    arrival(world.orchard, "alice", "Message-ID", wanted)
    for device, password in (("phone", phone), ("desk", desk)):
        got = _take_all(world, password, wanted)
        yield Row(got, f"her {device} takes all by POP3 and deletes it", "the new message was there")
    with imap(world.orchard, "alice") as client:
        names = [line for line in client.must('LIST "" *') if b"POP3" in line]
        resting = names[0].rstrip().rpartition(b'"/" ')[2].decode() if names else "no mailbox"
        client.must(f"SELECT {resting}")
        found = client.must(f'UID SEARCH HEADER MESSAGE-ID "{wanted}"')
    kept = any(word.isdigit() for line in found for word in line.split())
    yield Row(kept, "and IMAP can still bring it back", f"it rests in {resting}")


def _take_all(world: World, password: str, message_id: str) -> bool:
    """Everything is fetched and deleted; whether the message was among it."""
    found = False
    with _pop(world, password) as client:
        for line in client.multiline("UIDL"):
            number = line.split()[0].decode()
            text = b"".join(client.multiline(f"RETR {number}"))
            found = found or message_id.encode() in text
            client.must(f"DELE {number}")
        client.must("QUIT")
    return found


def _pop(world: World, password: str) -> PopClient:
    orchard = world.orchard
    address = (orchard.address, orchard.port(995))
    return PopClient(address, orchard.tls(), orchard.hostname, ALICE, password)


def _revoke(world: World, phone: dict[str, Any]) -> Iterator[Row]:
    """The phone is lost: its password opens nothing any more, the others' do."""
    orchard = world.orchard
    world.postier(orchard, "app-password", "revoke", ALICE, str(phone["id"]))
    address = (orchard.address, orchard.port(993))
    try:
        ImapClient(address, orchard.tls(), orchard.hostname, ALICE, phone["password"]).close()
        said = "OK"
    except RuntimeError as refusal:
        said = str(refusal)
    yield Row("AUTHENTICATIONFAILED" in said, "the phone is lost: its password is revoked", said)


def _known(world: World) -> Iterator[Row]:
    """What the administrator, and Alice herself, are told."""
    names = _until(
        lambda: [str(each["name"]) for each in _listed(world, "device", "list", ALICE)],
        lambda names: any("desk" in name for name in names),
    )
    yield Row(any("desk" in name for name in names), "each device is known by its name", ", ".join(names))
    kinds = _until(
        lambda: [str(each["kind"]) for each in _listed(world, "audit", ALICE)],
        lambda kinds: "login.failed" in kinds,
    )
    yield Row(
        "login.failed" in kinds, "the audit log has the phone's last try", ", ".join(sorted(set(kinds)))
    )
    advice = world.postier(world.harbor, "advise", "erin@harbor.test")
    assert isinstance(advice, dict)
    numbers = advice["mailbox"]
    moved, listed = numbers["pop_octets"], numbers["listing_packed"]
    yield Row(
        advice["protocol"] == "imap" and moved > 9_000_000 and 0 < listed < 10_000,
        "Erin is advised to use IMAP, by her own numbers",
        f"POP3 would move {moved:,} octets, IMAP's first listing {listed:,}",
    )


def _listed(world: World, *arguments: str) -> list[dict[str, Any]]:
    found = world.postier(world.orchard, *arguments)
    assert isinstance(found, list)
    return found


def _until(ask: Any, enough: Any) -> list[str]:
    """What is asked for is written down once in a while: wait a minute for it at most."""
    deadline = time.monotonic() + 60
    while True:
        found: list[str] = ask()
        if enough(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.5)
