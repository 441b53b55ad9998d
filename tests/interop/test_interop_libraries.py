"""Libraries that others build their mail programs of: imapclient, aioimaplib, imapflow, imapfilter.

Each keeps two accounts in step with a tree of mailboxes, while somebody changes both: what is new on the far
side comes here, then the far side is made like ours. Once the others have ended and it has run again, both
sides agree exactly: mailboxes, messages by their content, flags.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aioimaplib
import imapclient
import pytest

from postier.demo.clients import ImapClient
from postier.testing.busy_account import MAILBOXES, PLANTED, Meddler, plant, snapshot
from postier.testing.mirror import Held, Side, mirror

pytestmark = pytest.mark.slow

NODE = Path(__file__).parent / "node"


def _client(who: Any) -> ImapClient:
    return ImapClient(
        (who.host, who.port(993)),
        who.organisation.tls(),
        who.organisation.hostname,
        who.address,
        who.password,
    )


def _keep_in_step(here: Any, there: Any, run: Callable[[], object], *, but: str = "-") -> None:
    """`run` brings both sides together once; it does not look at mailboxes below `but`."""
    with _client(here) as client:
        plant(client, "here")
    with _client(there) as client:
        client.must("CREATE Away/one")
        for name in MAILBOXES:
            if name.startswith(but):
                client.must(f'CREATE "{name}"')
    run()
    with Meddler(lambda: _client(here), "here", 5), Meddler(lambda: _client(there), "there", 6):
        run()
        run()
    run()
    with _client(here) as ours, _client(there) as theirs:
        near, far = snapshot(ours), snapshot(theirs)
    assert near.keys() == far.keys()
    for name in (name for name in near if not name.startswith(but)):
        assert near[name] == far[name], (name, near[name] - far[name], far[name] - near[name])
    assert sum(held.total() for held in near.values()) > PLANTED / 2


class _ImapClientSide(Side):
    """imapclient: names in Unicode, flags as bytes, literals and sets made by it."""

    def __init__(self, who: Any) -> None:
        self.client = imapclient.IMAPClient(
            who.organisation.hostname, who.port(993), ssl_context=who.organisation.tls(), timeout=30
        )
        self.client.login(who.address, who.password)

    def names(self) -> list[str]:
        return [name for flags, _, name in self.client.list_folders() if b"\\Noselect" not in flags]

    def create(self, name: str) -> None:
        self.client.create_folder(name)

    def messages(self, name: str) -> dict[int, Held]:
        self.client.select_folder(name)
        fetched = self.client.fetch(self.client.search(), ["FLAGS", "BODY.PEEK[]"])
        return {
            uid: Held(data[b"BODY[]"], frozenset(data[b"FLAGS"]) - {b"\\Recent"})
            for uid, data in fetched.items()
        }

    def append(self, name: str, held: Held) -> None:
        self.client.append(name, held.octets, held.flags)

    def set_flags(self, uid: int, flags: frozenset[bytes]) -> None:
        self.client.set_flags(uid, flags, silent=True)

    def expunge(self, uids: list[int]) -> None:
        self.client.add_flags(uids, [imapclient.DELETED], silent=True)
        self.client.uid_expunge(uids)

    def close(self) -> None:
        self.client.logout()


def test_imapclient(person: Any, resolve: Callable[[Any], None]) -> None:
    here, there = person(), person()
    resolve(here)
    _keep_in_step(here, there, lambda: mirror(_ImapClientSide(here), _ImapClientSide(there), "there"))


class _AioSide(Side):
    """aioimaplib, on a loop of its own."""

    def __init__(self, who: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.client = self._do(self._connect(who))

    async def _connect(self, who: Any) -> Any:
        client = aioimaplib.IMAP4_SSL(
            who.organisation.hostname, who.port(993), ssl_context=who.organisation.tls(), timeout=30
        )
        await client.wait_hello_from_server()
        assert (await client.login(who.address, who.password)).result == "OK"
        return client

    def _do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def _must(self, work: Any) -> list[Any]:
        response = self._do(work)
        assert response.result == "OK", response
        return list(response.lines)

    def names(self) -> list[str]:
        lines = [line.decode() for line in self._must(self.client.list('""', "*"))]
        listed = [re.match(r'\(([^)]*)\) "/" (?:"([^"]*)"|(\S+))', line) for line in lines]
        return [found[2] or found[3] for found in listed if found and "\\Noselect" not in found[1]]

    def create(self, name: str) -> None:
        self._must(self.client.create(f'"{name}"'))

    def messages(self, name: str) -> dict[int, Held]:
        lines = self._must(self.client.select(f'"{name}"'))
        if b"0 EXISTS" in lines:
            return {}
        found: dict[int, Held] = {}
        lines = self._must(self.client.uid("fetch", "1:*", "(UID FLAGS BODY.PEEK[])"))
        for head, octets in itertools.pairwise(lines):
            told = re.match(rb"\d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) BODY\[\] \{", bytes(head))
            if told is not None:
                found[int(told[1])] = Held(bytes(octets), frozenset(told[2].split()) - {b"\\Recent"})
        return found

    def append(self, name: str, held: Held) -> None:
        flags = " ".join(sorted(flag.decode() for flag in held.flags))
        self._must(self.client.append(held.octets, f'"{name}"', flags or None))

    def set_flags(self, uid: int, flags: frozenset[bytes]) -> None:
        listed = b" ".join(sorted(flags)).decode()
        self._must(self.client.uid("store", str(uid), "FLAGS.SILENT", f"({listed})"))

    def expunge(self, uids: list[int]) -> None:
        where = ",".join(map(str, uids))
        self._must(self.client.uid("store", where, "+FLAGS.SILENT", "(\\Deleted)"))
        self._must(self.client.uid("expunge", where))

    def close(self) -> None:
        self._do(_leave(self.client))
        self.loop.close()


async def _leave(client: Any) -> None:
    """With the transport gone when it returns, which the library leaves to the loop."""
    await client.logout()
    client.protocol.transport.abort()
    for _ in range(3):
        await asyncio.sleep(0)


def test_aioimaplib(person: Any, resolve: Callable[[Any], None]) -> None:
    here, there = person(), person()
    resolve(here)
    _keep_in_step(here, there, lambda: mirror(_AioSide(here), _AioSide(there), "there"))


def test_aioimaplib_hears_of_new_mail_in_idle(person: Any, resolve: Callable[[Any], None]) -> None:
    who = person()
    resolve(who)

    async def listen() -> list[bytes]:
        side = await _AioSide._connect(object.__new__(_AioSide), who)
        await side.select("INBOX")
        idle = await side.idle_start(timeout=20)
        await asyncio.to_thread(who.put, b"Subject: news\r\n\r\nnews\r\n")
        told = await side.wait_server_push()
        side.idle_done()
        await asyncio.wait_for(idle, 20)
        await _leave(side)
        return list(told)

    assert b"1 EXISTS" in asyncio.run(listen())


# ------------------------------------------------------------------ imapflow


def test_imapflow(shell: Any, person: Any, need: Callable[[str], None]) -> None:
    need("node")
    if not (NODE / "node_modules" / "imapflow").is_dir():
        if os.environ.get("POSTIER_NO_SKIP"):
            pytest.fail("imapflow is not installed: tools/test-packages")
        pytest.skip("imapflow is not installed")
    here, there = person(), person()
    accounts = [
        f"{who.host} {who.port(993)} {who.organisation.hostname} {who.ca} {who.address}"
        for who in (here, there)
    ]
    run = ("node", NODE / "mirror.mjs", *accounts, here.password, "there")
    _keep_in_step(here, there, lambda: shell.run(*run))


# ------------------------------------------------------------------ imapfilter


def test_imapfilter(shell: Any, person: Any, need: Callable[[str], None]) -> None:
    """A filter copies and moves between accounts, and flags by what it finds (RFC 3501 SEARCH)."""
    need("imapfilter")
    here, there = person(), person()
    config = shell.write("mirror.lua", (Path(__file__).parent / "mirror.lua").read_text())
    words = [f"{who.host}|{who.port(993)}|{who.address}|{who.password}" for who in (here, there)]
    shell.write("accounts", "\n".join(words) + "\n")
    _keep_in_step(here, there, lambda: shell.run("imapfilter", "-t", here.ca, "-c", config), but="&U9dP4Q-")
