"""GETMETADATA and SETMETADATA (RFC 5464), and METADATA in LIST (RFC 9590)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from postier.accounts import metadata
from postier.accounts.metadata import Change, Key, may_note
from postier.accounts.rights import Place
from postier.imap.session.context import Context
from postier.imap.session.errors import No
from postier.imap.wire.metadata import MAX_VALUE, TOO_LONG, Entry, GetMetadata, SetMetadata, metadata_line
from postier.store.api import AccountId, Annotation, MailboxId

__all__ = ["ListedNotes", "get_metadata", "set_metadata"]

Value = tuple[str, bytes | None]


async def get_metadata(context: Context, command: GetMetadata) -> bytes:
    """What is too large for MAXSIZE is left out, and how large the largest of it is is told (4.2.1)."""
    notes = await metadata.notes(context.reader, context.viewer, command.mailbox)
    found = _chosen(notes.values, command)
    limit = command.max_size
    short = [(name, value) for name, value in found if limit is None or len(value or b"") <= limit]
    if short:
        context.say(metadata_line(notes.name, short, utf8=context.core.utf8))
    longest = max((len(value or b"") for _, value in found), default=0)
    if limit is not None and longest > limit:
        return b"OK [METADATA LONGENTRIES %d] Done" % longest
    return b"OK Done"


def _chosen(values: Mapping[Key, bytes], command: GetMetadata) -> list[Value]:
    """Each entry once. What was asked for by name alone is told as NIL where there is nothing."""
    found: dict[Key, Value] = {}
    for entry in command.entries:
        key = entry.private, entry.path
        if key in values or command.depth == 0:
            found.setdefault(key, (entry.text, values.get(key)))
        for below in sorted(values) if command.depth != 0 else ():
            if below[0] == entry.private and _is_below(below[1], entry.path, command.depth):
                found.setdefault(below, (entry.text + below[1][len(entry.path) :], values[below]))
    return list(found.values())


def _is_below(path: str, above: str, depth: int | None) -> bool:
    rest = path.removeprefix(above)
    if (rest == path and above) or not rest.startswith("/"):
        return False
    return depth is None or rest.count("/") <= depth


async def set_metadata(context: Context, command: SetMetadata) -> bytes:
    """All of the values or none. A special use that another mailbox loses by it is told (RFC 6154 5.4)."""
    if any(value is not None and len(value) > MAX_VALUE for _, value in command.values):
        raise No(TOO_LONG, "A value is too large")
    changes = [Change(entry.private, entry.path, value) for entry, value in command.values]
    moved = await metadata.set_notes(context.store, context.viewer, command.mailbox, changes)
    for mailbox in moved:
        use = mailbox.special_use.encode() or None
        context.say(metadata_line(mailbox.name, [("/private/specialuse", use)], utf8=context.core.utf8))
    return b"OK Done"


class ListedNotes:
    """The annotations that LIST tells of each mailbox; read once for all of them."""

    def __init__(
        self, entries: Sequence[Entry], found: Mapping[tuple[AccountId, MailboxId], Sequence[Annotation]]
    ) -> None:
        self._entries = entries
        self._found = found

    @classmethod
    async def read(cls, context: Context, entries: Sequence[Entry]) -> ListedNotes:
        paths = list(dict.fromkeys(entry.path for entry in entries))
        found = await context.reader.annotations_named(context.account_id, paths) if paths else {}
        return cls(entries, found)

    def line(self, place: Place, *, utf8: bool) -> bytes:
        """b"" where nothing was asked for or the client may not know."""
        if not self._entries or not may_note(place):
            return b""
        notes = self._found.get((place.account_id, place.mailbox_id), ())
        return metadata_line(place.name, self._values(place, notes), utf8=utf8)

    def _values(self, place: Place, notes: Sequence[Annotation]) -> Iterable[Value]:
        values = metadata.place_notes(place, notes)
        return [(entry.text, values.get((entry.private, entry.path))) for entry in self._entries]
