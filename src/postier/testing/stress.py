"""Many clients that give random valid commands on a few mailboxes, each holding the server to the protocol.

    python -m postier.testing.stress HOST PORT USER PASSWORD --clients 20 --commands 5000 [--seed N]

(the password as an argument: the server is one for tests). Each client reads every response by the grammar
and keeps its own view (imap_client). No valid command may be answered BAD, NO comes only with the codes that
others' doings explain, and a keyword that one client alone sets and takes away is always as it left it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import ssl
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from postier.testing.imap_client import StrictClient
from postier.testing.imap_view import ViewError

__all__ = ["MAILBOXES", "StressClient", "stress"]

MAILBOXES = (b"INBOX", b"Stress", b"Stress/deep")
FLAGS = (b"\\Seen", b"\\Flagged", b"\\Answered", b"\\Deleted", b"\\Draft", b"$Forwarded")
ENABLE = (b"", b"", b"CONDSTORE", b"QRESYNC", b"QRESYNC", b"IMAP4rev2", b"UTF8=ACCEPT QRESYNC")
ITEMS = (
    *(
        b"FLAGS",
        b"UID",
        b"(UID FLAGS)",
        b"ENVELOPE",
        b"BODYSTRUCTURE",
        b"BODY",
        b"(INTERNALDATE RFC822.SIZE)",
    ),
    *(b"BODY.PEEK[]", b"BODY[TEXT]<0.20>", b"BODY.PEEK[HEADER.FIELDS (FROM TO)]", b"BODY.PEEK[1]", b"ALL"),
    *(b"BODY.PEEK[1.MIME]", b"RFC822.HEADER", b"BINARY.PEEK[1]", b"BINARY.SIZE[1]", b"PREVIEW", b"FULL"),
    *(b"(EMAILID THREADID)", b"SAVEDATE", b"MODSEQ", b"(UID MODSEQ FLAGS)", b"PREVIEW (LAZY)"),
)
KEYS = (
    *(b"ALL", b"SEEN", b"NOT DELETED", b"OR FLAGGED ANSWERED", b"UID 1:*", b"1:*", b"SUBJECT stress", b"NEW"),
    *(b"BODY number", b"TEXT zebra", b"SINCE 1-Feb-2020", b"LARGER 100", b"KEYWORD $Forwarded", b"OLDER 1"),
    *(b"MODSEQ 1", b"FROM a (NOT SEEN SMALLER 4000)", b"HEADER Message-ID stress", b"CHARSET UTF-8 TEXT x"),
)
RETURNS = (b"", b"", b"RETURN () ", b"RETURN (MIN MAX COUNT) ", b"RETURN (SAVE) ", b"RETURN (PARTIAL 1:5) ")
GONE = {"EXPUNGEISSUED"}
EXPLAINED = {
    b"FETCH": GONE,
    b"STORE": GONE | {"LIMIT", "CANNOT", "MODIFIED"},  # RFC 7162 3.1.3: gone, and changed since
    b"COPY": GONE,
    b"MOVE": GONE,
    b"REPLACE": GONE | {"NONEXISTENT", "CANNOT"},
    b"SEARCH": GONE,
    b"SORT": GONE,
    b"THREAD": GONE,
    b"CREATE": {"ALREADYEXISTS"},
    b"DELETE": {"NONEXISTENT", "HASCHILDREN"},
    b"SUBSCRIBE": {"NONEXISTENT"},
    b"RENAME": {"NONEXISTENT", "ALREADYEXISTS"},
}
"""With which codes NO may come; with none where the command is not named."""


class StressClient:
    """One connection. `commands` counts what was given."""

    def __init__(self, host: str, port: int, number: int, seed: int, tls: ssl.SSLContext | None) -> None:
        self.where = (host, port)
        self.number = number
        self.dice = random.Random(seed * 1000 + number)
        self.tls = tls
        self.client = StrictClient()
        self.own = b"$own%d" % number
        self.owned: dict[tuple[bytes, int], bool] = {}
        self.commands = 0
        self._last: deque[bytes] = deque(maxlen=60)
        self._saved = False  # $ means something
        self._inflate: zlib._Decompress | None = None
        self._deflate: zlib._Compress | None = None

    async def run(self, user: str, password: str, commands: int) -> None:
        async with self._connected(user, password):
            await self._begin()
            while self.commands < commands:
                self.commands += 1
                await self._step()
            await self._must(b"LOGOUT")

    async def prepare(self, user: str, password: str) -> None:
        """The mailboxes, with some messages."""
        async with self._connected(user, password):
            for name in MAILBOXES:
                await self._give(b"CREATE " + name if name != b"INBOX" else b"NOOP")
                for _ in range(10):
                    text = self._message()
                    await self._must(b"APPEND %b {%d+}\r\n%b" % (name, len(text), text))

    @contextlib.asynccontextmanager
    async def _connected(self, user: str, password: str) -> AsyncIterator[None]:
        self.reader, self.writer = await asyncio.open_connection(*self.where, ssl=self.tls)
        try:
            self.client.receive(await self.reader.readuntil(b"\r\n"))
            await self._must(b'LOGIN "%b" "%b"' % (user.encode(), password.encode()))
            yield
        except (AssertionError, ValueError, EOFError) as error:
            error.add_note(f"client {self.number}, command {self.commands}: {self.client.text!r}")
            error.add_note("\n".join(f"{octets[:300]!r}" for octets in self._last))
            raise
        finally:
            self.writer.transport.abort()
            with contextlib.suppress(OSError):
                await self.writer.wait_closed()

    async def _begin(self) -> None:
        if self.dice.random() < 0.3:
            await self._must(b"COMPRESS DEFLATE")
            self._inflate = zlib.decompressobj(-15)
            self._deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        enable = self.dice.choice(ENABLE)
        if enable:
            await self._must(b"ENABLE " + enable)
        await self._must(b"SELECT INBOX")

    # ------------------------------------------------------------------ the wire

    def _send(self, data: bytes) -> None:
        self._last.append(data)
        if self._deflate is not None:
            data = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self.writer.write(data)

    async def _hear(self) -> None:
        data = await self.reader.read(65536)
        if not data:
            raise EOFError("the server closed")
        plain = data if self._inflate is None else self._inflate.decompress(data)
        self._last.extend(plain.splitlines())
        self.client.receive(plain)

    async def _give(self, text: bytes, *, then: bytes = b"") -> None:
        """`then` is sent once a "+" has come."""
        self._send(self.client.command(text))
        while not self.client.is_done:
            await self._hear()
            if then and self.client.untagged("+"):
                self._send(then)
                then = b""
        self._judge()

    async def _must(self, text: bytes) -> None:
        await self._give(text)
        assert self.client.said == "OK", self.client.tagged

    def _judge(self) -> None:
        said, code = self.client.said, self.client.code
        assert said != "BAD", self.client.tagged
        if said == "NO":
            assert code in EXPLAINED.get(self.client.verb, set()), self.client.tagged
        if self.client.verb in (b"SELECT", b"EXAMINE"):
            self._saved = False
        for uid, flags in self.client.view.flags.items():
            is_set = self.owned.get((self.client.selected, uid))
            if is_set is not None and is_set != (self.own in flags):
                raise ViewError(f"UID {uid}: {flags} where {self.own!r} is {is_set}")

    # ------------------------------------------------------------------ what it does

    async def _step(self) -> None:
        if None in self.client.view.uids and self.dice.random() < 0.7:
            first = self.client.view.uids.index(None) + 1
            await self._give(b"FETCH %d:* (UID FLAGS)" % first)
            return
        weights = [weight for weight, _ in STEPS]
        (step,) = self.dice.choices([step for _, step in STEPS], weights)
        await step(self)

    def _uids(self) -> list[int]:
        return [uid for uid in self.client.view.uids if uid is not None]

    def _some(self) -> tuple[bytes, bytes]:
        """`UID ` or nothing, and a set that fits it; empty if there is nothing to name."""
        count, uids = len(self.client.view.uids), self._uids()
        if self._saved and self.dice.random() < 0.3:
            return self.dice.choice((b"", b"UID ")), b"$"
        if not uids or self.dice.random() < 0.5:
            if not count:
                return b"", b""
            low, high = sorted((self.dice.randint(1, count), self.dice.randint(1, count)))
            return b"", b"%d:%d" % (low, min(high, low + 9))
        chosen = sorted(self.dice.sample(uids, min(len(uids), self.dice.randint(1, 5))))
        return b"UID ", b",".join(b"%d" % uid for uid in chosen)

    async def on_some(self, make: Callable[[bytes, bytes], bytes]) -> None:
        prefix, numbers = self._some()
        await self._give(make(prefix, numbers) if numbers else b"NOOP")

    async def fetch(self) -> None:
        item = self.dice.choice(ITEMS)
        await self.on_some(lambda prefix, numbers: b"%bFETCH %b %b" % (prefix, numbers, item))

    async def fetch_changes(self) -> None:
        view, quick = self.client.view, b""
        if view.quick and self.dice.random() < 0.5:
            quick = b" VANISHED"
        since = max(1, view.highest - self.dice.randint(0, 50))
        await self._give(b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d%b)" % (since, quick))

    async def store(self) -> None:
        sign, silent = self.dice.choice((b"+", b"-")), self.dice.choice((b"", b".SILENT"))
        flags = b" ".join(self.dice.sample(FLAGS, 2))
        since = (
            b" (UNCHANGEDSINCE %d)" % max(1, self.client.view.highest) if self.dice.random() < 0.2 else b""
        )
        if not self.client.writable:
            return
        await self.on_some(
            lambda prefix, numbers: (
                b"%bSTORE %b%b %bFLAGS%b (%b)" % (prefix, numbers, since, sign, silent, flags)
            )
        )

    async def store_own(self) -> None:
        """The keyword of this client: nobody else touches it."""
        uids = self._uids()
        if not uids or not self.client.writable:
            return
        uid, is_set = self.dice.choice(uids), self.dice.random() < 0.6
        key = (self.client.selected, uid)
        self.owned.pop(key, None)
        sign = b"+" if is_set else b"-"
        await self._give(b"UID STORE %d %bFLAGS (%b)" % (uid, sign, self.own))
        if self.client.view.flags.get(uid) is not None and self.client.untagged("FETCH"):
            self.owned[key] = is_set
            self._judge()

    async def search(self) -> None:
        verb = self.dice.choice((b"SEARCH ", b"SEARCH ", b"SORT ", b"THREAD "))
        returns = self.dice.choice(RETURNS) if verb != b"THREAD " else b""
        key = self.dice.choice(KEYS)
        if verb == b"SORT ":
            returns += (
                self.dice.choice((b"(DATE) ", b"(REVERSE SUBJECT ARRIVAL) ", b"(FROM SIZE) ")) + b"UTF-8 "
            )
        elif verb == b"THREAD ":
            returns = self.dice.choice((b"REFERENCES ", b"ORDEREDSUBJECT ", b"REFS ")) + b"UTF-8 "
        if verb != b"SEARCH " or "UTF8=ACCEPT" in self.client.enabled:  # RFC 9755 3: no CHARSET then
            key = key.removeprefix(b"CHARSET UTF-8 ")
        prefix = self.dice.choice((b"", b"UID "))
        await self._give(prefix + verb + returns + key)
        if b"SAVE" in returns:
            self._saved = self.client.said == "OK"

    async def copy(self) -> None:
        verb = self.dice.choice((b"COPY", b"COPY", b"MOVE")) if self.client.writable else b"COPY"
        target = self.dice.choice(MAILBOXES)
        await self.on_some(lambda prefix, numbers: b"%b%b %b %b" % (prefix, verb, numbers, target))

    async def expunge(self) -> None:
        if self.client.writable:
            uids = self._uids()
            some = (
                b"UID EXPUNGE %d:*" % self.dice.choice(uids)
                if uids and self.dice.random() < 0.5
                else b"EXPUNGE"
            )
            await self._give(some)

    def _message(self) -> bytes:
        name = b"stress-%d-%d" % (self.number, self.commands)
        head = b"From: a@elsewhere.test\r\nSubject: stress %b\r\nMessage-ID: <%b@x.test>\r\n" % (name, name)
        kind = b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
        return head + kind + b"number %d zebra\r\n" % self.commands * self.dice.randint(1, 30)

    async def append(self) -> None:
        text = self._message()
        forms = (
            b"{%d+}\r\n%b" % (len(text), text),
            b"(\\Seen $Forwarded) {%d+}\r\n%b {%d+}\r\n%b" % (len(text), text, len(text), text),
            b'"01-Jan-2026 10:00:00 +0100" ~{%d+}\r\n%b' % (len(text), text),
            b"CATENATE (TEXT {%d+}\r\n%b TEXT {3+}\r\nend)" % (len(text), text),
        )
        form = self.dice.choice(forms)
        if self.client.enabled & {"UTF8=ACCEPT"} and b"CATENATE" not in form:
            form = b"UTF8 (~{%d+}\r\n%b)" % (len(text), text)
        await self._give(b"APPEND %b %b" % (self.dice.choice(MAILBOXES), form))

    async def append_slowly(self) -> None:
        """A literal that waits."""
        text = self._message()
        await self._give(b"APPEND %b {%d}" % (self.dice.choice(MAILBOXES), len(text)), then=text + b"\r\n")

    async def replace(self) -> None:
        uids = self._uids()
        if uids and self.client.writable:
            text = self._message()
            uid = self.dice.choice(uids)
            await self._give(
                b"UID REPLACE %d %b {%d+}\r\n%b" % (uid, self.dice.choice(MAILBOXES), len(text), text)
            )

    async def select(self) -> None:
        verb = self.dice.choice((b"SELECT", b"SELECT", b"EXAMINE"))
        view, cache = self.client.view, self.client.view.cache()
        name = self.dice.choice(MAILBOXES)
        if view.quick and cache.modseq and name == self.client.selected and self.dice.random() < 0.7:
            where = b"(QRESYNC (%d %d))" % (cache.uidvalidity, cache.modseq)
            await self._must(b"%b %b %b" % (verb, name, where))
            return
        if self.dice.random() < 0.3:
            await self._must(self.dice.choice((b"CLOSE", b"UNSELECT")))
        await self._must(b"%b %b" % (verb, name) + self.dice.choice((b"", b" (CONDSTORE)")))

    async def idle(self) -> None:
        await self._give(b"IDLE", then=b"DONE\r\n")

    async def notify(self) -> None:
        """What happens in the selected mailbox waits for a command, as numbers are in use here."""
        groups = b"(selected-delayed (MessageNew (UID FLAGS) MessageExpunge FlagChange))"
        status = self.dice.choice((b"", b"STATUS "))
        others = b"(subtree Stress (MessageNew MessageExpunge)) (personal (MailboxName SubscriptionChange))"
        await self._must(self.dice.choice((b"NOTIFY NONE", b"NOTIFY SET %b%b %b" % (status, groups, others))))

    async def folders(self) -> None:
        mine, other = b"Own%d" % self.number, b"Own%d/x" % self.number
        verb = self.dice.choice((b"CREATE ", b"DELETE ", b"RENAME ", b"SUBSCRIBE ", b"UNSUBSCRIBE "))
        name = self.dice.choice((mine, other))
        await self._give(verb + name + (b" " + name + b"-2" if verb == b"RENAME " else b""))

    async def look(self) -> None:
        name = self.dice.choice(MAILBOXES)
        commands = (
            b"NOOP", b"NOOP", b"CHECK", b"CAPABILITY", b"NAMESPACE", b'ID ("name" "stress")', b'LIST "" *',
            b'LIST "" % RETURN (CHILDREN SUBSCRIBED SPECIAL-USE STATUS (MESSAGES UNSEEN SIZE HIGHESTMODSEQ))',
            b'LSUB "" *', b'LIST (SUBSCRIBED) "" * RETURN (MYRIGHTS)', b"GETQUOTAROOT " + name,
            b"STATUS %b (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ SIZE)" % name,
            b"MYRIGHTS " + name, b"GETACL " + name, b"GETMETADATA %b /private/comment" % name,
            b'SETMETADATA %b (/private/comment "of %d")' % (name, self.number), b"UIDBATCHES 500",
            b'ESEARCH IN (mailboxes INBOX subtree Stress) RETURN (COUNT) SEEN',
        )  # fmt: skip
        await self._give(self.dice.choice(commands))


STEPS = (
    (12, StressClient.fetch),
    (3, StressClient.fetch_changes),
    (10, StressClient.store),
    (6, StressClient.store_own),
    (7, StressClient.search),
    (4, StressClient.copy),
    (5, StressClient.expunge),
    (6, StressClient.append),
    (2, StressClient.append_slowly),
    (2, StressClient.replace),
    (4, StressClient.select),
    (3, StressClient.idle),
    (1, StressClient.notify),
    (2, StressClient.folders),
    (9, StressClient.look),
)


async def stress(
    where: tuple[str, int], who: tuple[str, str], *, clients: int, commands: int, seed: int = 1,
    tls: ssl.SSLContext | None = None,
) -> int:  # fmt: skip
    """How many commands were given. Raises what the first client to find a fault raised."""
    await StressClient(*where, 0, seed, tls).prepare(*who)
    peers = [StressClient(*where, number, seed, tls) for number in range(1, clients + 1)]
    async with asyncio.TaskGroup() as group:
        for peer in peers:
            group.create_task(peer.run(*who, commands))
    return sum(peer.commands for peer in peers)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    for name in ("host", "port", "user", "password"):
        parser.add_argument(name, type=int if name == "port" else str)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--commands", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    where, who = (chosen.host, chosen.port), (chosen.user, chosen.password)
    work = stress(where, who, clients=chosen.clients, commands=chosen.commands, seed=chosen.seed)
    print(asyncio.run(work), "commands, no fault")


if __name__ == "__main__":
    main()
