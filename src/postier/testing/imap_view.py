"""A mailbox as an IMAP client sees it, from nothing but the responses it hears.

Each response must be possible where it comes: EXISTS never shrinks, EXPUNGE and VANISHED come only where
RFC 3501 7.4.1 and RFC 7162 3.2.10 let them, a sequence number keeps its message, UIDs ascend, MODSEQs grow,
and what differs has another MODSEQ. What breaks a rule raises ViewError.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from postier.testing.imap_answers import Answer

__all__ = ["Cache", "View", "ViewError"]

RECENT = b"\\Recent"
Flags = frozenset[bytes]


class ViewError(AssertionError):
    """A response that may not come here; the message quotes it."""


@dataclass(slots=True)
class Cache:
    """What a client keeps between two connections (RFC 7162 6). `modseq` 0: it must ask for everything."""

    uidvalidity: int = 0
    modseq: int = 0
    flags: dict[int, Flags] = field(default_factory=dict)


class View:
    """`hear` each response of a command with what may come during it, then `finish` the command.

    `uids[n - 1]` is the UID of message n, None while it is not known; `flags` and `modseqs` are those told
    last. `highest`: the client's own HIGHESTMODSEQ as RFC 7162 6 has it kept. `aware`: CONDSTORE is enabled;
    `quick`: QRESYNC is.
    """

    __slots__ = (
        "_code_modseq",
        "_flags_at",
        "_told_modseq",
        "aware",
        "earlier",
        "exists",
        "flags",
        "highest",
        "keywords",
        "modseqs",
        "quick",
        "uidnext",
        "uids",
        "uidvalidity",
    )

    def __init__(self, *, aware: bool = False, quick: bool = False) -> None:
        self.aware = aware or quick
        self.quick = quick
        self.reset()

    def reset(self) -> None:
        """Nothing is selected, or the mailbox is about to be."""
        self.exists = False  # EXISTS was told since
        self.uids: list[int | None] = []
        self.flags: dict[int, Flags] = {}
        self.modseqs: dict[int, int] = {}
        self._flags_at: dict[int, int] = {}  # the MODSEQ that came with the flags
        self.keywords: Flags = frozenset()
        self.uidvalidity = self.uidnext = self.highest = 0
        self.earlier: list[int] = []  # of VANISHED (EARLIER)
        self._told_modseq = self._code_modseq = 0

    # ------------------------------------------------------------------ hearing

    def hear(self, answer: Answer, *, expunges: bool, earlier: bool = False) -> None:
        """`expunges`: EXPUNGE or VANISHED may come now; `earlier`: VANISHED (EARLIER) may."""
        match answer.name:
            case "EXISTS":
                self._hear_exists(answer)
            case "EXPUNGE":
                self._demand(expunges and not self.quick, answer, "not now")
                self._demand(0 < answer.number <= len(self.uids), answer, "of no message")
                self._forget(self.uids.pop(answer.number - 1))
            case "VANISHED":
                self._hear_vanished(answer, expunges=expunges, earlier=earlier)
            case "FETCH":
                self._hear_fetch(answer)
            case "FLAGS":
                self._demand(self.keywords <= answer.value, answer, "flags that were known are missing")
                self.keywords = answer.value
            case "OK":
                self._hear_code(answer)
            case _:
                pass  # not about this mailbox

    def _demand(self, holds: bool, answer: Answer, why: str) -> None:
        if not holds:
            raise ViewError(f"{answer.raw!r}: {why} ({len(self.uids)} messages)")

    def _hear_exists(self, answer: Answer) -> None:
        self._demand(answer.number >= len(self.uids), answer, "fewer than before")
        self.exists = True
        self.uids += [None] * (answer.number - len(self.uids))

    def _hear_vanished(self, answer: Answer, *, expunges: bool, earlier: bool) -> None:
        is_earlier, uids = answer.value
        self._demand(self.quick and (earlier if is_earlier else expunges), answer, "not now")
        if is_earlier:
            self.earlier += uids
            return
        for uid in uids:  # RFC 7162 3.2.10.2: each of them is one that this client counts
            if uid in self.uids:
                self.uids.remove(uid)
            else:
                self._demand(self._unknown_between(uid) is not None, answer, f"{uid} is not here")
                del self.uids[self._unknown_between(uid) or 0]
            self._forget(uid)

    def _unknown_between(self, uid: int) -> int | None:
        """A place whose message this client has not asked about, and that may be `uid`."""
        for place, known in enumerate(self.uids):
            if known is not None and known > uid:
                return None
            if known is None and not any(other and other < uid for other in self.uids[place:]):
                return place
        return None

    def _forget(self, uid: int | None) -> None:
        if uid is not None:
            self.flags.pop(uid, None)
            self.modseqs.pop(uid, None)
            self._flags_at.pop(uid, None)

    def _hear_fetch(self, answer: Answer) -> None:
        items = answer.value
        self._demand(0 < answer.number <= len(self.uids), answer, "of no message")
        uid = items.get("UID")
        if uid is not None:
            self._demand(self._fits(answer.number - 1, uid), answer, "another UID stands there")
            self.uids[answer.number - 1] = uid
        self._told_modseq = max(self._told_modseq, items.get("MODSEQ", 0))
        known = self.uids[answer.number - 1]
        if known is not None:
            self._hear_flags(answer, known)

    def _fits(self, place: int, uid: int) -> bool:
        known = self.uids[place]
        if known is not None:
            return known == uid
        before = next((other for other in reversed(self.uids[:place]) if other is not None), 0)
        after = next((other for other in self.uids[place + 1 :] if other is not None), uid + 1)
        return before < uid < after

    def _hear_flags(self, answer: Answer, uid: int) -> None:
        flags, modseq = answer.value.get("FLAGS"), answer.value.get("MODSEQ")
        if modseq is not None:
            self._demand(modseq >= self.modseqs.get(uid, 0), answer, f"was {self.modseqs.get(uid)}")
        if flags is not None:
            named = frozenset(flag for flag in flags if not flag.startswith(b"\\"))
            self._demand(named <= self.keywords, answer, "a keyword that FLAGS did not tell")
            kept = flags - {RECENT}
            if modseq is not None and modseq == self._flags_at.get(uid):
                self._demand(kept == self.flags[uid], answer, f"was {set(self.flags[uid])} at that MODSEQ")
            self.flags[uid] = kept
            self._flags_at[uid] = modseq or 0
        if modseq is not None:
            self.modseqs[uid] = modseq

    def _hear_code(self, answer: Answer) -> None:
        code = answer.code
        if code is None:
            return
        if code.name == "HIGHESTMODSEQ":
            self._code_modseq = code.value
        elif code.name == "UIDVALIDITY":
            self.uidvalidity = code.value
        elif code.name == "UIDNEXT":
            self._demand(code.value >= self.uidnext, answer, f"was {self.uidnext}")
            self.uidnext = code.value

    # ------------------------------------------------------------------ between commands

    def assume(self, uid: int, flags: Flags) -> None:
        """What a client knows of its own .SILENT change (RFC 3501 6.4.6)."""
        self.flags[uid] = flags
        self._flags_at.pop(uid, None)

    def finish(self) -> None:
        """A tagged response has come: now a client may move its HIGHESTMODSEQ (RFC 7162 6)."""
        if self._code_modseq:
            self.highest = self._code_modseq
        else:
            self.highest = max(self.highest, self._told_modseq)
        self._code_modseq = self._told_modseq = 0

    def known_uids(self) -> list[int]:
        """Raises ViewError if there are messages whose UID was never told."""
        known = [uid for uid in self.uids if uid is not None]
        if len(known) < len(self.uids):
            raise ViewError("messages without a known UID")
        return known

    def cache(self) -> Cache:
        """What the client would write to its disk now."""
        held = {uid: self.flags[uid] for uid in self.uids if uid is not None and uid in self.flags}
        return Cache(self.uidvalidity, self.highest, held)
