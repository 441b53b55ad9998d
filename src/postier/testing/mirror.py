"""Two accounts kept in step through whatever IMAP library speaks for each of them.

    mirror(here, there, "there")

Messages that were made on the far side, as their Message-IDs tell, come here; then every mailbox of the far
side is made like ours: messages by their content, and their flags.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["Held", "Side", "mirror"]


class Held(NamedTuple):
    """`flags` without \\Recent."""

    octets: bytes
    flags: frozenset[bytes]


class Side(Protocol):
    """One account. `messages` selects the mailbox; `set_flags` and `expunge` are about the selected one."""

    def names(self) -> list[str]: ...

    def create(self, name: str) -> None: ...

    def messages(self, name: str) -> dict[int, Held]: ...

    def append(self, name: str, held: Held) -> None: ...

    def set_flags(self, uid: int, flags: frozenset[bytes]) -> None: ...

    def expunge(self, uids: list[int]) -> None: ...

    def close(self) -> None: ...


def mirror(here: Side, there: Side, letter: str) -> None:
    try:
        _mirror(here, there, letter)
    finally:
        here.close()
        there.close()


def _mirror(here: Side, there: Side, letter: str) -> None:
    ours, theirs = _names(here), _names(there)
    for name in sorted(ours - theirs):
        there.create(name)
    for name in sorted(theirs - ours):
        here.create(name)
    names = sorted(ours | theirs)
    known = {held.octets for name in names for held in here.messages(name).values()}
    for name in names:
        for held in there.messages(name).values():
            if held.octets not in known and b"Message-ID: <%b-" % letter.encode() in held.octets:
                here.append(name, held)
    for name in names:
        _make_like(here.messages(name), there, name)


def _names(side: Side) -> set[str]:
    return {name for name in side.names() if not name.startswith("Away")}


def _make_like(ours: dict[int, Held], there: Side, name: str) -> None:
    theirs: dict[bytes, list[int]] = {}
    found = there.messages(name)
    for uid, held in found.items():
        theirs.setdefault(held.octets, []).append(uid)
    for held in ours.values():
        uids = theirs.get(held.octets)
        if not uids:
            there.append(name, held)
            continue
        uid = uids.pop()
        if found[uid].flags != held.flags:
            there.set_flags(uid, held.flags)
    if left := [uid for uids in theirs.values() for uid in uids]:
        there.expunge(left)
