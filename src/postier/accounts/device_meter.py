"""What one session moves: counted while it runs, handed to the ledger now and then (see devices.py).

Counting is adding to integers of this object. A session says which octets were bodies, attachments and
uploads; the rest of what the connection counted is listing, or commands. How many octets of each kind went
over the wire below compression is told at `settle`, by the shares of what went since the last time; so a
session settles where it turns from one kind to another.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from postier.net.api import Connection
from postier.store.api import AccountId, DeviceCounts, MailboxId, SyncPoint

__all__ = [
    "MOST_POINTS",
    "WEIGHED_FROM",
    "DeviceMeter",
    "Drained",
    "Introduction",
    "Progress",
    "Savings",
    "Told",
]

IDLE_SECONDS = 900.0
"""A session in which hardly anything happens is noted as often."""
MOST_POINTS = 200
"""Mailboxes of one device of which something is kept."""
LITTLE = 4096
"""Octets that are hardly anything."""
WEIGHED_FROM = 16 * 1024
"""Octets of a message that is fetched whole from which its attachments are told from its text."""
YOUNG = 5.0
"""Seconds in which a session may still say who it is (RFC 2971)."""


LISTING, BODIES, ATTACHMENTS, COMMANDS, UPLOADS = range(5)
WIRE_LISTING, WIRE_BODIES, WIRE_ATTACHMENTS, WIRE_COMMANDS, WIRE_UPLOADS = range(5, 10)
SESSIONS, DELETED, DELETED_OCTETS, SENT = range(10, 14)
"""Places of DeviceCounts: a list of integers is added to four times as fast."""


class Savings(Protocol):
    """A compression, which knows how many octets it kept off the wire."""

    saved_in: int
    saved_out: int


class Told(Protocol):
    """A selected mailbox: all up to `told_modseq`, and up to the UID `highest`, was announced."""

    @property
    def told_modseq(self) -> int: ...

    @property
    def highest(self) -> int: ...


class Introduction(NamedTuple):
    """What a program says of itself (RFC 2971), as it came. `unique`: what tells it from its like."""

    name: str = ""
    version: str = ""
    vendor: str = ""
    os: str = ""
    unique: str = ""


class Progress:
    """How far a session has come in one mailbox. `source` is asked while it is selected."""

    __slots__ = ("_noted", "fetched_high", "high", "low", "mailbox", "source", "told_modseq", "told_uid")

    def __init__(self, mailbox: tuple[AccountId, MailboxId, int]) -> None:
        """`mailbox`: owner, mailbox and UIDVALIDITY."""
        self.mailbox = mailbox
        self.source: Told | None = None
        self.told_modseq = self.told_uid = self.low = self.high = self.fetched_high = 0
        self._noted: SyncPoint | None = None

    def listed(self, low: int, high: int) -> None:
        """Lines of UIDs between these were sent."""
        if not self.low or low < self.low:
            self.low = low
        if high > self.high:
            self.high = high

    def fetched(self, uid: int) -> None:
        """The octets of a message were sent."""
        if uid > self.fetched_high:
            self.fetched_high = uid

    def look(self) -> None:
        """Note what was told of the mailbox until now."""
        if self.source is not None:
            self.told_modseq = max(self.told_modseq, self.source.told_modseq)
            self.told_uid = max(self.told_uid, self.source.highest)

    def leave(self) -> None:
        """It is selected no more."""
        self.look()
        self.source = None

    def news(self) -> SyncPoint | None:
        """None if nothing changed since the last time it was noted."""
        self.look()
        point = SyncPoint(
            *self.mailbox, self.told_modseq, self.told_uid, self.low, self.high, self.fetched_high
        )
        return None if point == self._noted else point

    def note(self, point: SyncPoint) -> None:
        self._noted = point


class Drained(NamedTuple):
    """What a session did since it was drained last. `last_trace`: of the last message it submitted then."""

    counts: DeviceCounts
    points: tuple[SyncPoint, ...]
    last_sent: float
    last_trace: str


class DeviceMeter:
    """Of one login. `bodies`, `attachments`, `uploads`: octets of content that were not settled yet, added
    to by who moves them. `began`: when, by `clock.now()`. `before`: octets in and out of the connection that
    an earlier login has counted."""

    __slots__ = (
        "_attached",
        "_began_in",
        "_connection",
        "_counts",
        "_in",
        "_last_sent",
        "_last_trace",
        "_noted",
        "_out",
        "_progress",
        "_saved_in",
        "_saved_out",
        "_weighed",
        "account_id",
        "app_password",
        "attachments",
        "began",
        "bodies",
        "introduction",
        "protocol",
        "savings",
        "uploads",
    )

    def __init__(
        self,
        connection: Connection,
        account_id: AccountId,
        protocol: str,
        *,
        began: float,
        app_password: int = 0,
        before: tuple[int, int] = (0, 0),
    ) -> None:
        self.account_id = account_id
        self.protocol = protocol
        self.app_password = app_password
        self.began = self._noted = began
        self.introduction = Introduction()
        self.savings: Savings | None = None
        self.bodies = self.attachments = self.uploads = 0
        self._connection = connection
        self._in, self._out = before
        self._began_in = self._in
        self._saved_in = self._saved_out = 0
        self._progress: dict[tuple[AccountId, MailboxId, int], Progress] = {}
        self._weighed = self._attached = 0
        self._last_sent = 0.0
        self._last_trace = ""
        self._counts = [0] * len(DeviceCounts._fields)
        self._counts[SESSIONS] = 1

    @property
    def peer(self) -> str:
        return self._connection.peer[0]

    @property
    def tls(self) -> str:
        """ "TLSv1.3"; "" in clear."""
        tls = self._connection.tls
        return "" if tls is None else tls.version

    @property
    def octets(self) -> tuple[int, int]:
        """In and out, settled: where a later login of the connection begins to count."""
        return self._in, self._out

    @property
    def is_mixed(self) -> bool:
        """Octets of several kinds wait to be settled."""
        return bool(self.bodies or self.attachments or self.uploads)

    # ------------------------------------------------------------------ what was moved

    def settle(self) -> None:
        """Count what went over the wire since the last time. What was said to be a body and has not left
        yet waits for the next time."""
        connection = self._connection
        received, sent = connection.bytes_in, connection.bytes_out
        wire_in, wire_out = received - self._in, sent - self._out
        if not (wire_in or wire_out or self.uploads):
            return
        self._in, self._out = received, sent
        savings, counts = self.savings, self._counts
        content_in, content_out = wire_in, wire_out
        if savings is not None:
            saved_in, saved_out = savings.saved_in, savings.saved_out
            content_in += saved_in - self._saved_in
            content_out += saved_out - self._saved_out
            self._saved_in, self._saved_out = saved_in, saved_out
        bodies = wire_bodies = attachments = wire_attachments = uploads = wire_uploads = 0
        if (self.bodies or self.attachments) and content_out:
            bodies = min(self.bodies, content_out)
            attachments = min(self.attachments, content_out - bodies)
            self.bodies -= bodies
            self.attachments -= attachments
            wire_bodies = wire_out * bodies // content_out
            wire_attachments = wire_out * attachments // content_out
            counts[BODIES] += bodies
            counts[ATTACHMENTS] += attachments
            counts[WIRE_BODIES] += wire_bodies
            counts[WIRE_ATTACHMENTS] += wire_attachments
        if self.uploads:
            uploads, self.uploads = self.uploads, 0
            wire_uploads = self._on_the_wire(uploads)
            counts[UPLOADS] += uploads
            counts[WIRE_UPLOADS] += wire_uploads
        counts[LISTING] += content_out - bodies - attachments
        counts[WIRE_LISTING] += wire_out - wire_bodies - wire_attachments
        counts[COMMANDS] += content_in - uploads
        counts[WIRE_COMMANDS] += wire_in - wire_uploads

    def _on_the_wire(self, uploads: int) -> int:
        """By what compression made of all that came: an upload may have come before it was known to be one,
        and was counted among the commands until now."""
        came = self._in - self._began_in
        return uploads * came // max(came + self._saved_in, 1)

    def whole(self, octets: int, attachments: int) -> None:
        """A message, or a piece of one: `attachments` of its octets are such."""
        self.bodies += octets - attachments
        self.attachments += attachments

    def weighed(self, octets: int, attachments: int) -> None:
        """The same, of a message fetched whole; others like it may be guessed by what was weighed."""
        self._weighed += octets
        self._attached += attachments
        self.whole(octets, attachments)

    def guessed(self, octets: int) -> None:
        """A message fetched whole whose attachments nobody weighed: they have the share of those before."""
        self.whole(octets, octets * self._attached // self._weighed if self._weighed else 0)

    def deleted(self, messages: int, octets: int) -> None:
        """POP3 has removed messages."""
        self._counts[DELETED] += messages
        self._counts[DELETED_OCTETS] += octets

    def sent(self, at: float, trace_id: str) -> None:
        """A submitted message was accepted."""
        self._counts[SENT] += 1
        self._last_sent, self._last_trace = at, trace_id

    def progress(self, owner: AccountId, mailbox_id: MailboxId, uidvalidity: int) -> Progress:
        """Of one mailbox, the same each time; past MOST_POINTS nobody hears of it."""
        key = (owner, mailbox_id, uidvalidity)
        found = self._progress.get(key)
        if found is None:
            found = Progress(key)
            if len(self._progress) < MOST_POINTS:
                self._progress[key] = found
        return found

    # ------------------------------------------------------------------ for the ledger

    def is_due(self, now: float) -> bool:
        """Something is worth being noted while the session goes on."""
        since = now - self._noted
        if 0 <= now - self.began < YOUNG:
            return False
        if since >= IDLE_SECONDS or since < 0:
            return True
        moved = self._connection.bytes_in + self._connection.bytes_out - self._in - self._out
        return moved + sum(self._counts) >= LITTLE or any(
            one.news() is not None for one in self._progress.values()
        )

    def drain(self, now: float) -> Drained:
        """What happened since the last time, which is counted no more."""
        self.settle()
        self._noted = now
        points = []
        for progress in self._progress.values():
            point = progress.news()
            if point is not None:
                progress.note(point)
                points.append(point._replace(at=int(now)))
        selected = {key: one for key, one in self._progress.items() if one.source is not None}
        drained = Drained(DeviceCounts(*self._counts), tuple(points), self._last_sent, self._last_trace)
        self._counts, self._progress = [0] * len(DeviceCounts._fields), selected
        self._last_sent, self._last_trace = 0.0, ""
        return drained
