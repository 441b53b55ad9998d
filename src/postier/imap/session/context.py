"""What a handler may touch: the connection, the services, and what this session knows so far."""

from __future__ import annotations

from postier.base.log import Log
from postier.imap.session.errors import No
from postier.imap.session.selected import Selected
from postier.imap.session.services import ImapServices, ImapSettings
from postier.imap.wire import responses
from postier.imap.wire.capabilities import Surroundings, render_capabilities
from postier.imap.wire.core import ImapServer
from postier.net.api import Connection
from postier.sasl.mechanisms import offered
from postier.store.api import Account, AccountId, NoSuchMailbox, Reader, Tx

__all__ = ["Context"]

log = Log("imap")


class Context:
    """The state of one session between its commands.

    `enabled`: CONDSTORE, QRESYNC and the like in the order the client made them known (RFC 5161). `ending`:
    no further command is read.
    """

    __slots__ = (
        "account",
        "compressed",
        "connection",
        "core",
        "enabled",
        "ending",
        "login_failures",
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
        self.selected: Selected | None = None
        self.enabled: frozenset[str] = frozenset()
        self.login_failures = 0
        self.compressed = False
        self.ending = False

    # ------------------------------------------------------------------ short words

    @property
    def reader(self) -> Reader:
        return self.services.store.reader

    @property
    def account_id(self) -> AccountId:
        """Only in commands that the core lets through after login."""
        if self.account is None:
            raise AssertionError("a command for logged-in clients came through before login")
        return self.account.account_id

    @property
    def mailbox(self) -> Selected:
        """The selected mailbox. Raises No for a client that selected none."""
        if self.selected is None:
            raise No("CLIENTBUG", "No mailbox is selected")
        return self.selected

    @property
    def modseqs(self) -> bool:
        """The client is aware of CONDSTORE (RFC 7162 3.1)."""
        return "CONDSTORE" in self.enabled

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
            self.say(responses.highest_modseq(self.selected.modseq))

    def writable_mailbox(self) -> Selected:
        """Raises No where the mailbox was opened by EXAMINE."""
        if self.mailbox.read_only:
            raise No("CANNOT", "The mailbox is selected read-only")
        return self.mailbox

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
        )
        return render_capabilities(self.core.state, around)

    # ------------------------------------------------------------------ talking

    def say(self, data: bytes) -> None:
        """Queue a response; it leaves when the core needs input, or before the next `write`."""
        self.core.send(data)

    async def write(self, pieces: list[bytes]) -> None:
        """Send what was said and then `pieces`, waiting while the client does not read."""
        self.connection.write(self.core.outgoing() + b"".join(pieces))
        await self.connection.drain()

    # ------------------------------------------------------------------ the selected mailbox

    async def tell_news(self, *, expunges: bool) -> None:
        """Say what happened in the selected mailbox. Its deletion ends the session (RFC 2180 3.3)."""
        selected = self.mailbox
        try:
            news = await selected.sync(
                self.reader,
                expunges=expunges,
                modseqs=self.modseqs,
                vanished="QRESYNC" in self.enabled,
            )
        except NoSuchMailbox:
            news = b"* BYE The selected mailbox was deleted\r\n"
            self.ending = True
        self.say(news)

    async def deselect(self) -> None:
        """Leave the mailbox; its messages that this session showed as \\Recent are so no more for others."""
        selected = self.forget_mailbox()
        if selected is None:
            return
        if not selected.read_only and selected.first_recent <= selected.highest:
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
