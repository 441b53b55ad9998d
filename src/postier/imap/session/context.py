"""What a handler may touch: the connection, the services, and what this session knows so far."""

from __future__ import annotations

from functools import partial

from postier.accounts import rights
from postier.accounts.device_meter import DeviceMeter, Introduction, Progress
from postier.accounts.login import Door, Entry
from postier.accounts.rights import NoPermission, Place
from postier.accounts.switches import Program, names_off, read_switches
from postier.base.log import Log
from postier.imap.session.binary import PartMemory
from postier.imap.session.errors import No
from postier.imap.session.manner import Manner
from postier.imap.session.selected import Selected
from postier.imap.session.services import ImapServices, ImapSettings
from postier.imap.session.watch import NotingStore, Watch
from postier.imap.session.wishes import BY_COMMANDS, Hearing
from postier.imap.wire import responses
from postier.imap.wire.capabilities import Surroundings, render_capabilities, switched_off
from postier.imap.wire.core import ImapServer
from postier.imap.wire.notify import Event
from postier.imap.wire.values import State
from postier.net.api import Connection
from postier.store.api import (
    Account,
    AccountId,
    MailboxId,
    Message,
    ModSeq,
    NoSuchMailbox,
    Reader,
    Store,
    StoreUnavailable,
    Tx,
    Uid,
)

__all__ = ["Context"]

LITTLE = 32 * 1024
"""Octets of responses that are worth waiting for the rest of their command."""

NOTHING = (Uid(1), Uid(0))
"""A range of no UIDs."""

log = Log("imap")


OF_THE_CONNECTION = (
    *("connection", "core", "services", "settings"),
    *("compressed", "ending", "goodbye", "introduction", "login_failures", "metered", "program"),
)
"""What a Context keeps when nobody is logged in any more. All the rest belongs to a login."""


class Context:
    """The state of one session between its commands.

    `enabled`: CONDSTORE, QRESYNC and the like that the client made known (RFC 5161), in capitals. `program`:
    what the client calls itself (RFC 2971). `ending`: no further command is read. `watch`: of a client that
    gave NOTIFY; `arrived`: messages of which it wants to be told more. `lowest_done`: the lowest UID that the
    command worked on where it did so with some of its messages only. `meter`: what is moved since the login;
    `metered`: the octets in and out that those before it counted; `progress`: how far the client has come in
    what is selected.
    """

    __slots__ = (
        "arrived",
        "binary_part",
        "compressed",
        "connection",
        "core",
        "enabled",
        "ending",
        "entry",
        "goodbye",
        "introduction",
        "login_failures",
        "lowest_done",
        "meter",
        "metered",
        "program",
        "progress",
        "selected",
        "services",
        "settings",
        "watch",
    )

    def __init__(
        self, connection: Connection, core: ImapServer, services: ImapServices, settings: ImapSettings
    ) -> None:
        self.connection = connection
        self.core = core
        self.services = services
        self.settings = settings
        self.entry: Entry | None = None
        self.binary_part: PartMemory | None = None
        self.selected: Selected | None = None
        self.enabled: frozenset[str] = frozenset()
        self.login_failures = 0
        self.lowest_done = 0
        self.program: Program | None = None
        self.introduction = Introduction()
        self.meter: DeviceMeter | None = None
        self.metered = (0, 0)
        self.progress: Progress | None = None
        self.compressed = False
        self.ending = False
        self.goodbye = b""
        self.watch: Watch | None = None
        self.arrived: list[Uid] = []

    # ------------------------------------------------------------------ short words

    @property
    def reader(self) -> Reader:
        return self.services.store.reader

    @property
    def store(self) -> Store:
        """To change something: NOTIFY tells nobody of what he did himself."""
        store = self.services.store
        return store if self.watch is None else NotingStore(store, self.watch)

    @property
    def account(self) -> Account | None:
        """Who has logged in; `entry` says how."""
        return self.entry.account if self.entry is not None else None

    @property
    def door(self) -> Door:
        return Door.of(self.connection, "imap", trusted=self.settings.allow_plaintext)

    @property
    def viewer(self) -> Account:
        """Who has logged in. Only in commands that the core lets through after login."""
        if self.entry is None:
            raise AssertionError("a command for logged-in clients came through before login")
        return self.entry.account

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
    def hearing(self) -> Hearing:
        """What this client is told of the selected mailbox without asking."""
        return BY_COMMANDS if self.watch is None else self.watch.wishes.hearing

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
        door = self.door
        around = Surroundings(
            tls=tls,
            starttls=settings.starttls,
            login_allowed=door.channel.confidential,
            compressed=self.compressed,
            mechanisms=self.services.login.mechanisms(door),
            append_limit=settings.max_message_size,
            message_limit=settings.message_limit,
            save_limit=settings.save_limit,
            off=self.core.off,
        )
        return render_capabilities(self.core.state, around)

    def end_login(self) -> None:
        """Nothing of whoever was logged in stays, of whatever extension (RFC 8437 4): what is not
        OF_THE_CONNECTION is as in a new session. Also called when the connection ends."""
        self.stop_watching()
        self.forget_mailbox()
        if self.meter is not None:
            self.services.devices.close(self.meter)
            self.metered = self.meter.octets
        fresh = Context(self.connection, self.core, self.services, self.settings)
        for name in self.__slots__:
            if name not in OF_THE_CONNECTION:
                setattr(self, name, getattr(fresh, name))

    def start_metering(self, entry: Entry) -> None:
        """The device ledger hears what this login moves."""
        self.meter = self.services.devices.open(self.connection, entry, "imap", before=self.metered)
        self.meter.introduction = self.introduction

    def note_progress(self, selected: Selected) -> None:
        """The device ledger hears how far the client comes in what it has just selected."""
        if self.meter is not None:
            self.progress = self.meter.progress(
                selected.account_id, selected.mailbox_id, selected.uidvalidity
            )
            self.progress.source = selected

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

    def end(self, reason: str, code: bytes = b"") -> None:
        """The connection ends behind the command: BYE comes after its tagged response, since nothing comes
        after a BYE that no LOGOUT asked for (RFC 9051 9: response-fatal)."""
        self.goodbye = responses.untagged(b"BYE", reason, code)
        self.ending = True

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

    async def tell_news(self, *, expunges: bool, own: bool = False) -> None:
        """Say what happened in the selected mailbox, if it may still be read and the client wants to hear.
        `own`: the client itself expunged something. Its deletion ends the session (RFC 2180 3.3); IMAP4rev2
        has a word for it (RFC 9051 3: CLOSED), and the session goes on."""
        selected, hearing = self.mailbox, self.hearing
        hears = hearing.events | Event.MESSAGE_EXPUNGE if own else hearing.events
        news, arrived = b"", list[Message]()
        try:
            await self.refresh_rights()
            if "r" not in selected.rights:
                await self.reader.mailbox(selected.account_id, selected.mailbox_id)
                return
            if not hears:
                return
            claim = partial(self.claim_recent, selected.account_id, selected.mailbox_id)
            news, arrived = await selected.sync(
                self.reader, claim, self.manner, expunges=expunges, hears=hears
            )
        except NoSuchMailbox:
            news = self._lose_mailbox()
        self.say(news)
        if self.watch is not None and Event.MESSAGE_NEW in hears:
            ours = self.watch.own_in_selected
            if hearing.items:
                self.arrived += [message.uid for message in arrived if message.modseq not in ours]
            ours.clear()

    def note_own(self, before: ModSeq, changed: list[Message]) -> None:
        """See Selected.note_own; who does not hear of flags needs no list of its own changes."""
        if before == self.mailbox.modseq or Event.FLAG_CHANGE in self.hearing.events:
            self.mailbox.note_own(before, changed)

    # ------------------------------------------------------------------ NOTIFY

    def start_watching(self, watch: Watch) -> None:
        """NOTIFY was given: what an earlier one asked for is no longer told."""
        self.stop_watching()
        self.watch = watch
        self.listen()

    def stop_watching(self) -> None:
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.close()
        self.listen()

    def listen(self) -> None:
        """Wake for news of the selected mailbox while the client wants to hear of it at any time."""
        if self.selected is not None:
            hears = self.watch is not None and bool(self.hearing.events)
            self.selected.on_news = self.connection.wake if hears else None
            if self.watch is not None:
                self.watch.selected = self.selected.account_id

    def _lose_mailbox(self) -> bytes:
        if self.rev2:
            self.forget_mailbox()
            self.core.state = State.AUTHENTICATED
            return b"* OK [CLOSED] The selected mailbox was deleted\r\n"
        self.end("The selected mailbox was deleted")
        return b""

    def forget_mailbox(self) -> None:
        """Nothing is selected from now on, and no news of what was is told."""
        selected, self.selected = self.selected, None
        self.arrived = []
        if self.progress is not None:
            self.progress.leave()
            self.progress = None
        if selected is not None:
            selected.close()
            if self.watch is not None:
                self.watch.left(selected.account_id, selected.mailbox_id, selected.mark())

    async def claim_recent(self, account_id: AccountId, mailbox_id: MailboxId) -> tuple[Uid, Uid]:
        """See selected.Claim. Where nothing can be written nothing is taken: news are told all the same."""

        async def work(tx: Tx) -> tuple[Uid, Uid]:
            first = await tx.claim_recent(account_id, mailbox_id)
            return first, Uid((await tx.mailbox(account_id, mailbox_id)).uidnext - 1)

        try:
            return await self.services.store.transact(work, durable=False)
        except StoreUnavailable as error:
            log.info("no \\Recent taken", session=self.connection.id, detail=str(error))
            return NOTHING
