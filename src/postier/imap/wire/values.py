"""What a parsed IMAP command is made of: the nouns of RFC 3501 section 9 as immutable values.

Mailbox names are Unicode here; the core has decoded modified UTF-7 (or UTF-8, RFC 9755). A command event
carries its tag; the session answers every command with exactly one tagged response.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

__all__ = [
    "Authenticate",
    "AuthenticateResponse",
    "BadCommand",
    "BodySection",
    "Capability",
    "Check",
    "Close",
    "Command",
    "Compress",
    "Copy",
    "Create",
    "Delete",
    "Enable",
    "Examine",
    "Expunge",
    "Fetch",
    "FetchItem",
    "Id",
    "Idle",
    "IdleDone",
    "Login",
    "Logout",
    "Move",
    "Namespace",
    "Noop",
    "PartialRange",
    "Rename",
    "SearchKey",
    "SectionForm",
    "Select",
    "SequenceSet",
    "StarttlsCommand",
    "State",
    "Status",
    "Store",
    "StoreOperation",
    "Subscribe",
    "Unselect",
    "Unsubscribe",
]


class State(enum.Flag):
    """RFC 3501 3, without the logout state: by then the connection is closing. Combine for "any of"."""

    NOT_AUTHENTICATED = enum.auto()
    AUTHENTICATED = enum.auto()
    SELECTED = enum.auto()


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """RFC 3501 sequence-set: closed ranges as written, 0 for "*". `saved`: "$" (RFC 5182)."""

    ranges: tuple[tuple[int, int], ...]
    saved: bool = False

    def resolve(self, largest: int) -> list[tuple[int, int]]:
        """Ascending, disjoint closed ranges with "*" as `largest`; empty if `largest` is 0."""
        if largest == 0:
            return []
        if len(self.ranges) == 1 and 0 < self.ranges[0][0] <= self.ranges[0][1]:
            return [self.ranges[0]]
        spans = sorted(
            (min(a or largest, b or largest), max(a or largest, b or largest)) for a, b in self.ranges
        )
        merged: list[tuple[int, int]] = []
        for low, high in spans:
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        return merged

    @property
    def ascends(self) -> bool:
        """As written, without "*": each range lies past the one before."""
        pairs = [(min(pair), max(pair)) for pair in self.ranges]
        return all(before[1] < after[0] for before, after in pairwise(pairs))

    @property
    def size(self) -> int:
        """How many numbers the ranges name, those named twice counted twice; without "*"."""
        return sum(abs(last - first) + 1 for first, last in self.ranges)


@dataclass(frozen=True, slots=True)
class Command:
    """What every command has. `name` is the verb as it appears in the commands table."""

    tag: bytes
    name: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class BadCommand(Command):
    """Not a command, or not here, or wrong arguments: answer `tag BAD text`. `tag` is b"*" if unreadable.

    `fatal`: the framing is lost or the peer hopeless; say BYE and close. `code`: a response code, or "".
    `status`: "NO" where the RFC of the command wants that.
    """

    text: str
    fatal: bool = False
    code: str = ""
    status: str = "BAD"


@dataclass(frozen=True, slots=True)
class Capability(Command):
    name = "CAPABILITY"


@dataclass(frozen=True, slots=True)
class Noop(Command):
    name = "NOOP"


@dataclass(frozen=True, slots=True)
class Logout(Command):
    name = "LOGOUT"


@dataclass(frozen=True, slots=True)
class Id(Command):
    """RFC 2971: None for NIL."""

    fields: tuple[tuple[str, str | None], ...] | None
    name = "ID"


@dataclass(frozen=True, slots=True)
class StarttlsCommand(Command):
    name = "STARTTLS"


@dataclass(frozen=True, slots=True)
class Login(Command):
    username: str
    password: str
    name = "LOGIN"


@dataclass(frozen=True, slots=True)
class Authenticate(Command):
    """RFC 3501 6.2.2. `initial_response`: decoded, None where the client sent none (RFC 4959)."""

    mechanism: str
    initial_response: bytes | None
    name = "AUTHENTICATE"


@dataclass(frozen=True, slots=True)
class AuthenticateResponse:
    """A line of the exchange that AUTHENTICATE began, decoded; None when cancelled ("*") or not base64."""

    data: bytes | None


@dataclass(frozen=True, slots=True)
class Enable(Command):
    """RFC 5161; names in upper case."""

    capabilities: tuple[str, ...]
    name = "ENABLE"


@dataclass(frozen=True, slots=True)
class Select(Command):
    """RFC 3501 6.3.1 with the parameters of RFC 7162.

    `qresync`: (uidvalidity, modseq, known UIDs or None, (known sequence numbers, their UIDs) or None).
    """

    mailbox: str
    condstore: bool = False
    qresync: tuple[int, int, SequenceSet | None, tuple[SequenceSet, SequenceSet] | None] | None = None
    name = "SELECT"


@dataclass(frozen=True, slots=True)
class Examine(Select):
    name = "EXAMINE"


@dataclass(frozen=True, slots=True)
class Create(Command):
    """`special_use`: RFC 6154 attributes asked for, such as "\\\\Sent"."""

    mailbox: str
    special_use: tuple[str, ...] = ()
    name = "CREATE"


@dataclass(frozen=True, slots=True)
class Delete(Command):
    mailbox: str
    name = "DELETE"


@dataclass(frozen=True, slots=True)
class Rename(Command):
    old: str
    new: str
    name = "RENAME"


@dataclass(frozen=True, slots=True)
class Subscribe(Command):
    mailbox: str
    name = "SUBSCRIBE"


@dataclass(frozen=True, slots=True)
class Unsubscribe(Command):
    mailbox: str
    name = "UNSUBSCRIBE"


@dataclass(frozen=True, slots=True)
class Namespace(Command):
    name = "NAMESPACE"


@dataclass(frozen=True, slots=True)
class Status(Command):
    """`items`: upper case, among MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ ..."""

    mailbox: str
    items: tuple[str, ...]
    name = "STATUS"


@dataclass(frozen=True, slots=True)
class Check(Command):
    name = "CHECK"


@dataclass(frozen=True, slots=True)
class Close(Command):
    name = "CLOSE"


@dataclass(frozen=True, slots=True)
class Unselect(Command):
    name = "UNSELECT"


@dataclass(frozen=True, slots=True)
class Expunge(Command):
    """`uids` is None for EXPUNGE, the set of UID EXPUNGE otherwise (RFC 4315)."""

    uids: SequenceSet | None = None
    name = "EXPUNGE"


@dataclass(frozen=True, slots=True)
class SearchKey:
    """One key of RFC 3501 6.4.4: its name in upper case and its arguments.

    name            arguments
    AND, OR, NOT    SearchKey values (AND: any number; OR: two; NOT: one)
    FUZZY           SearchKey: one (RFC 6203)
    SEQUENCE, UID   one SequenceSet
    HEADER          field name (str, upper case), text (str)
    FROM TO CC BCC SUBJECT BODY TEXT    text (str)
    KEYWORD UNKEYWORD                   flag name (str)
    BEFORE ON SINCE SENTBEFORE SENTON SENTSINCE    days since 1970-01-01 (int)
    SAVEDBEFORE SAVEDON SAVEDSINCE                 the same (RFC 8514)
    EMAILID THREADID                               object identifier (str, RFC 8474)
    LARGER SMALLER OLDER YOUNGER        number (int)
    MODSEQ                              number (int)
    ALL ANSWERED DELETED ... UNSEEN SAVEDATESUPPORTED    none
    """

    name: str
    arguments: tuple[SearchKey | SequenceSet | str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class PartialRange:
    """Results `first` to `last`, counted from 1, or `from_end` from the last one backwards (RFC 9394 3.1)."""

    first: int
    last: int
    from_end: bool = False

    def of(self, count: int) -> slice:
        """Where they stand among `count` results."""
        if self.from_end:
            return slice(max(count - self.last, 0), max(count - self.first + 1, 0))
        return slice(self.first - 1, self.last)


class SectionForm(enum.Enum):
    """What of a section is asked for: its octets as they stand in the message, or decoded, or the size of
    these (RFC 3516 4.2)."""

    BODY = "BODY"
    BINARY = "BINARY"
    BINARY_SIZE = "BINARY.SIZE"


@dataclass(frozen=True, slots=True)
class BodySection:
    """`BODY[path.specifier (fields)]<start.length>` (RFC 3501 6.4.5), or BINARY and BINARY.SIZE (RFC 3516).

    `path`: part numbers, () for the whole message. `specifier`: "", "HEADER", "HEADER.FIELDS",
    "HEADER.FIELDS.NOT", "TEXT" or "MIME". `fields`: as the client wrote them (bytes). `partial`: (first
    octet, number of octets) or None. `peek`: do not set \\\\Seen.
    `label`: how the response names the section: b"BODY[1.TEXT]" or b"RFC822.HEADER", without <start>.
    """

    path: tuple[int, ...]
    specifier: str
    fields: tuple[bytes, ...]
    partial: tuple[int, int] | None
    peek: bool
    label: bytes
    form: SectionForm = SectionForm.BODY


FetchItem = str | BodySection
"""FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY UID MODSEQ EMAILID THREADID SAVEDATE PREVIEW as
text, or a section. Macros are expanded, RFC822 and its kin are BodySections with their own label."""


@dataclass(frozen=True, slots=True)
class Fetch(Command):
    """`changed_since`, `vanished`: RFC 7162 modifiers; `partial`: RFC 9394's."""

    sequence: SequenceSet
    items: tuple[FetchItem, ...]
    by_uid: bool = False
    changed_since: int | None = None
    vanished: bool = False
    partial: PartialRange | None = None
    name = "FETCH"


class StoreOperation(enum.Enum):
    REPLACE = "FLAGS"
    ADD = "+FLAGS"
    REMOVE = "-FLAGS"


@dataclass(frozen=True, slots=True)
class Store(Command):
    """`flags` as names ("\\\\Seen", "$Forwarded"). `unchanged_since`: RFC 7162 3.1.3."""

    sequence: SequenceSet
    operation: StoreOperation
    silent: bool
    flags: tuple[str, ...]
    by_uid: bool = False
    unchanged_since: int | None = None
    name = "STORE"


@dataclass(frozen=True, slots=True)
class Copy(Command):
    sequence: SequenceSet
    mailbox: str
    by_uid: bool = False
    name = "COPY"


@dataclass(frozen=True, slots=True)
class Move(Command):
    """RFC 6851."""

    sequence: SequenceSet
    mailbox: str
    by_uid: bool = False
    name = "MOVE"


@dataclass(frozen=True, slots=True)
class Idle(Command):
    """RFC 2177; the core has not yet said "+ idling": the session calls `core.continue_idle()`."""

    name = "IDLE"


@dataclass(frozen=True, slots=True)
class IdleDone:
    """DONE, or any other line (`is_done` False: answer BAD)."""

    is_done: bool


@dataclass(frozen=True, slots=True)
class Compress(Command):
    """RFC 4978. `mechanism` in upper case."""

    mechanism: str
    name = "COMPRESS"
