"""How a client wants to be told of messages, by what it has enabled."""

from __future__ import annotations

from typing import NamedTuple

from postier.imap.wire import responses

__all__ = ["Manner"]


class Manner(NamedTuple):
    """`modseqs`: the client is aware of CONDSTORE (RFC 7162 3.1). `vanished`: VANISHED instead of EXPUNGE, as
    QRESYNC and UIDONLY want. `uid_only`: no sequence numbers (RFC 9586)."""

    modseqs: bool = False
    vanished: bool = False
    uid_only: bool = False

    @classmethod
    def of(cls, enabled: frozenset[str]) -> Manner:
        uid_only = "UIDONLY" in enabled
        return cls("CONDSTORE" in enabled, uid_only or "QRESYNC" in enabled, uid_only)

    def expunges(self, numbers: list[int], uids: list[int]) -> bytes:
        """Messages are gone: their sequence numbers from the highest down, their UIDs ascending."""
        if self.vanished:
            return responses.vanished(uids) if uids else b""
        return b"".join(map(responses.expunge, numbers))

    def fetch(self, number: int, uid: int, items: bytes) -> bytes:
        """The untagged FETCH that nobody asked for, with UID; UIDFETCH begins with it (RFC 9586 3.3)."""
        if self.uid_only:
            return b"* %d UIDFETCH (%b)\r\n" % (uid, items)
        return b"* %d FETCH (UID %d %b)\r\n" % (number, uid, items)
