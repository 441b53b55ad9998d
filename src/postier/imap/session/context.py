"""What a handler may touch: the connection, the services, and what this session knows so far."""

from __future__ import annotations

from postier.accounts import rights
from postier.accounts.rights import NoPermission, Place
from postier.accounts.switches import Program, names_off, read_switches
from postier.base.log import Log
from postier.imap.session.binary import PartMemory
from postier.imap.session.errors import No
from postier.imap.session.manner import Manner
from postier.imap.session.selected import Selected
from postier.imap.session.services import ImapServices, ImapSettings
from postier.imap.wire import responses
from postier.imap.wire.capabilities import Surroundings, render_capabilities, switched_off
from postier.imap.wire.core import ImapServer
from postier.imap.wire.values import State
from postier.net.api import Connection
from postier.sasl.mechanisms import offered
from postier.store.api import Account, AccountId, NoSuchMailbox, Reader, Tx

__all__ = ["Context"]

LITTLE = 32 * 1024
"""Octets of responses that are worth waiting for the rest of their command."""

log = Log("imap")


OF_THE_CONNECTION = (
    *("connection", "core", "services", "settings"),
    *("compressed", "ending", "login_failures", "program"),
)
"""What a Context keeps when nobody is logged in any more. All the rest belongs to a login."""


class Context:
    """The state of one session between its commands.

    `enabled`: CONDSTORE, QRESYNC and the like that the client made known (RFC 5161), in capitals. `program`:
    what the client calls itself (RFC 2971). `ending`: no further command is read.
    """

    __slots__ = (
        "account",
        "binary_part",
        "compressed",
        "connection",
        "core",
        "enabled",
        "ending",
        "login_failures",
        "program",
        "selected",
        "services",
        "settings",
    )

    def __init__(
        self, connection: Connection, core: ImapServer, services: ImapServices, settings: ImapSettings
    ) -> None:
        self.connection = connection
        self.core = core
        self.services = services
        self.settings = settings
        self.account: Account | None = None
        self.binary_part: PartMemory | None = None
        self.selected: Selected | None = None
        self.enabled: frozenset[str] = frozenset()
        self.login_failures = 0
        self.program: Program | None = None
        self.compressed = False
        self.ending = False

    # ------------------------------------------------------------------ short words

    @property
    def reader(self) -> Reader:
        return self.services.store.reader

    @property
    def viewer(self) -> Account:
        """Who has logged in. Only in commands that the core lets through after login."""
        if self.account is None:
            raise AssertionError("a command for logged-in clients came through before login")
        return self.account

    @property
    def account_id(self) -> AccountId:
        return self.viewer.account_id

    async def find(self, name: str, needed: str = "l") -> Place:
        """The mailbox the client means by `name`, its own or another's, in which it has the `needed` rights
        (RFC 4314). Raises NoSuchMailbox (also for what it may not see), NoPermission."""
        return await rights.find(self.reader, self.viewer, name, needed)

    @property
    def mailbox(self) -> Selected:
        """The selected mailbox. Raises No for a client that selected none."""
        if self.selected is None:
            raise No("CLIENTBUG", "No mailbox is selected")
        return self.selected

    def offers(self, capability: str) -> bool:
        """It was not switched off for this client."""
        return capability not in self.core.off

    @property
    def modseqs(self) -> bool:
        """The client is aware of CONDSTORE (RFC 7162 3.1)."""
        return "CONDSTORE" in self.enabled

    @property
    def manner(self) -> Manner:
        """How this client wants to be told of messages."""
        return Manner.of(self.enabled)

    @property
    def rev2(self) -> bool:
        """The client speaks IMAP4rev2 (RFC 9051 Appendix A)."""
        return "IMAP4REV2" in self.enabled

    def become_modseq_aware(self) -> None:
        """A CONDSTORE enabling command (RFC 7162 3.1): MODSEQ comes with every FETCH from now on, and a
        mailbox that is selected already tells where it stands."""
        if self.modseqs:
            return
        self.enabled |= {"CONDSTORE"}
        if self.selected is not None:
            self.say(responses.highest_modseq(self.selected.told_modseq))

    def readable_mailbox(self) -> Selected:
        """Raises No where the right to read it was taken meanwhile."""
        self._require("r")
        return self.mailbox

    def writable_mailbox(self, needed: str) -> Selected:
        """Raises No where the mailbox was opened by EXAMINE or one of the `needed` rights is missing."""
        if self.mailbox.read_only:
            raise No("CANNOT", "The mailbox is selected read-only")
        self._require(needed)
        return self.mailbox

    def _require(self, needed: str) -> None:
        if not set(needed) <= set(self.mailbox.rights):
            raise NoPermission(f"{needed!r} is needed, {self.mailbox.rights!r} is there")

    async def refresh_rights(self) -> None:
        """Look again what may be done in the selected mailbox: with each command in another's, where the bus
        told of changes in one's own."""
        selected = self.mailbox
        is_own = selected.account_id == self.account_id
        noted = selected.noted
        if is_own and noted <= selected.rights_noted:
            return
        now = await rights.rights_in(self.reader, self.account_id, selected.account_id, selected.mailbox_id)
        selected.rights_noted = noted
        self.say(selected.learn_rights(now))

    def capabilities(self) -> bytes:
        """What is offered in this state of the connection."""
        tls, settings = self.connection.tls is not None, self.settings
        confidential = tls or settings.allow_plaintext
        around = Surroundings(
            tls=tls,
            starttls=settings.starttls,
            login_allowed=confidential,
            compressed=self.compressed,
            mechanisms=offered(confidential=confidential),
            append_limit=settings.max_message_size,
            off=self.core.off,
        )
        return render_capabilities(self.core.state, around)

    async def end_login(self) -> None:
        """Nothing of whoever was logged in stays, of whatever extension (RFC 8437 4): what is not
        OF_THE_CONNECTION is as in a new session. Also called when the connection ends."""
        await self.deselect()
        fresh = Context(self.connection, self.core, self.services, self.settings)
        for name in self.__slots__:
            if name not in OF_THE_CONNECTION:
                setattr(self, name, getattr(fresh, name))

    async def obey_switches(self, account: Account | None) -> bool:
        """Take note of the capabilities that are switched off for `account` (None before login) and this
        program; True if these are others than before."""
        switches = await read_switches(self.reader)
        before = self.core.off
        names = names_off(switches, None if account is None else account.account_id, self.program)
        self.core.off = switched_off(names)
        return self.core.off != before

    # ------------------------------------------------------------------ talking

    def say(self, data: bytes) -> None:
        """Queue a response; it leaves when the core needs input, or before the next `write`."""
        self.core.send(data)

    async def offer(self, pieces: list[bytes]) -> None:
        """As `write`, but little waits for what follows it: one packet for the client, not two."""
        data = b"".join(pieces)
        if self.core.held + len(data) <= LITTLE:
            self.core.send(data)
        else:
            await self.write([data])

    async def write(self, pieces: list[bytes]) -> None:
        """Send what was said and then `pieces`, waiting while the client does not read."""
        self.connection.write(self.core.outgoing() + b"".join(pieces))
        await self.connection.drain()

    # ------------------------------------------------------------------ the selected mailbox

    async def tell_news(self, *, expunges: bool) -> None:
        """Say what happened in the selected mailbox, if it may still be read. Its deletion ends the session
        (RFC 2180 3.3); IMAP4rev2 has a word for it (RFC 9051 3: CLOSED), and the session goes on."""
        selected = self.mailbox
        try:
            await self.refresh_rights()
            if "r" not in selected.rights:
                await self.reader.mailbox(selected.account_id, selected.mailbox_id)
                return
            news = await selected.sync(self.reader, self.manner, expunges=expunges)
        except NoSuchMailbox:
            news = self._lose_mailbox()
        self.say(news)

    def _lose_mailbox(self) -> bytes:
        if self.rev2:
            self.forget_mailbox()
            self.core.state = State.AUTHENTICATED
            return b"* OK [CLOSED] The selected mailbox was deleted\r\n"
        self.ending = True
        return b"* BYE The selected mailbox was deleted\r\n"

    async def deselect(self) -> None:
        """Leave the mailbox; its messages that this session showed as \\Recent are so no more for others."""
        selected = self.forget_mailbox()
        if selected is None:
            return
        if selected.is_writable and selected.first_recent <= selected.highest:
            await self._claim_recent(selected)

    def forget_mailbox(self) -> Selected | None:
        """No news of it from now on; what was selected."""
        selected, self.selected = self.selected, None
        if selected is not None:
            selected.close()
        return selected

    async def _claim_recent(self, selected: Selected) -> None:
        """Only if this session showed every message there is: else the next one shows them all again."""
        account_id, mailbox_id, shown = selected.account_id, selected.mailbox_id, selected.highest

        async def claimable(reader: Reader) -> bool:
            try:
                mailbox = await reader.mailbox(account_id, mailbox_id)
            except NoSuchMailbox:
                return False
            return mailbox.first_recent < mailbox.uidnext == shown + 1

        async def work(tx: Tx) -> None:
            if await claimable(tx):
                await tx.claim_recent(account_id, mailbox_id)

        if await claimable(self.reader):
            await self.services.store.transact(work, durable=False)
