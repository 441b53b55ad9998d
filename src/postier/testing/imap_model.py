"""Mailboxes as they must be after any sequence of IMAP commands, in plain Python."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Box", "Held"]

Flags = frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Held:
    """A message: its text tells it from every other but its copies."""

    text: bytes
    flags: Flags


@dataclass(slots=True)
class Box:
    """A mailbox. `modseqs` and `modseq` are not foretold but watched: see `watch`."""

    name: bytes
    uidnext: int = 1
    uidvalidity: int = 0
    modseq: int = 0
    messages: dict[int, Held] = field(default_factory=dict)
    modseqs: dict[int, int] = field(default_factory=dict)
    _watched: dict[int, Held] = field(default_factory=dict)

    def add(self, held: Held) -> int:
        """Its UID."""
        self.messages[self.uidnext] = held
        self.uidnext += 1
        return self.uidnext - 1

    def change(self, uids: Iterable[int], sign: bytes, flags: Flags) -> list[int]:
        """As STORE does with b"+", b"-" or b""; the UIDs whose flags differ now."""
        changed = []
        for uid in uids:
            held = self.messages[uid]
            after = {b"+": held.flags | flags, b"-": held.flags - flags, b"": flags}[sign]
            self.messages[uid] = Held(held.text, after)
            if after != held.flags:
                changed.append(uid)
        return changed

    def remove(self, uids: Iterable[int]) -> None:
        for uid in uids:
            del self.messages[uid]

    def flags(self) -> dict[int, Flags]:
        return {uid: held.flags for uid, held in self.messages.items()}

    def present(self, uids: Iterable[int]) -> list[int]:
        return [uid for uid in uids if uid in self.messages]

    def unseen(self) -> int:
        return sum(b"\\Seen" not in held.flags for held in self.messages.values())

    def watch(self, uidvalidity: int, modseq: int, modseqs: dict[int, int]) -> None:
        """What the server has now. Every change has raised the mailbox's MODSEQ and set the message's to a
        value above the former one; what did not change keeps its own (RFC 7162 3.1, 3.1.11)."""
        assert self.uidvalidity in (0, uidvalidity), "UIDVALIDITY changed"
        assert modseqs.keys() == self.messages.keys(), (self.name, modseqs.keys(), self.messages.keys())
        for uid, held in self.messages.items():
            before = self._watched.get(uid)
            if before is None or before.flags != held.flags:
                assert modseqs[uid] > self.modseq, f"UID {uid} changed below HIGHESTMODSEQ"
            else:
                assert modseqs[uid] == self.modseqs[uid], f"UID {uid} has another MODSEQ without a change"
        lowest = self.modseq + (self._watched != self.messages)
        assert modseq >= max(lowest, *modseqs.values(), 0), "HIGHESTMODSEQ"
        self.uidvalidity, self.modseq, self.modseqs = uidvalidity, modseq, modseqs
        self._watched = dict(self.messages)
