"""An IMAP client without I/O that takes nothing for granted.

    client = StrictClient()
    send(client.command(b"SELECT INBOX"))
    while not client.is_done:
        client.receive(octets)
    assert client.tagged.name == "OK"

It reads every response by the grammar (imap_answers), keeps a View of the selected mailbox, and holds the
server to the rules about which response may come during which command. What breaks one raises ParseError or
ViewError.
"""

from __future__ import annotations

import re

from postier.testing.imap_answers import Answer, Incomplete, read_answer, split_answers
from postier.testing.imap_view import View, ViewError

__all__ = ["StrictClient"]

_NUMBERED = re.compile(rb"(?:FETCH|STORE|SEARCH|SORT|THREAD) ")
"""Commands that count in sequence numbers, so that none may change meanwhile (RFC 3501 7.4.1)."""

_NUMBERS_IN_KEYS = re.compile(rb"[ (](?:\d[\d:,*]*|\*)(?=[ )]|$)")
_KEYS_WITH_NUMBERS = re.compile(
    rb"(?:UID|LARGER|SMALLER|MODSEQ|OLDER|YOUNGER|PARTIAL|TEXT|BODY|SUBJECT|FROM) [\d:,*$-]+", re.IGNORECASE
)
_QUOTED = re.compile(rb'"[^"]*"')

_ALWAYS = {
    "OK",
    "NO",
    "BAD",
    "BYE",
    "CAPABILITY",
    "EXISTS",
    "RECENT",
    "EXPUNGE",
    "VANISHED",
    "FETCH",
    "FLAGS",
    "+",
}
_BETWEEN = {"EXISTS", "RECENT", "FETCH", "FLAGS", "OK", "BYE"}
_NOTIFIED = {"STATUS", "LIST", "METADATA"}
"""What NOTIFY brings of other mailboxes, at any time (RFC 5465 5)."""

_DURING = {
    b"LIST": {"LIST", "STATUS", "METADATA", "MYRIGHTS"},
    b"LSUB": {"LSUB", "LIST"},
    b"STATUS": {"STATUS"},
    b"SEARCH": {"SEARCH", "ESEARCH"},
    b"ESEARCH": {"ESEARCH"},
    b"SORT": {"SORT", "ESEARCH"},
    b"THREAD": {"THREAD"},
    b"ENABLE": {"ENABLED"},
    b"ID": {"ID"},
    b"NAMESPACE": {"NAMESPACE"},
    b"GETQUOTA": {"QUOTA"},
    b"GETQUOTAROOT": {"QUOTA", "QUOTAROOT"},
    b"SETQUOTA": {"QUOTA"},
    b"GETACL": {"ACL"},
    b"LISTRIGHTS": {"LISTRIGHTS"},
    b"MYRIGHTS": {"MYRIGHTS"},
    b"GETMETADATA": {"METADATA"},
    b"NOTIFY": {"STATUS"},
    b"GETJMAPACCESS": {"JMAPACCESS"},
    b"UIDBATCHES": {"UIDBATCHES"},
    b"SELECT": {"LIST"},  # RFC 9051 6.3.2: the name as the server writes it
    b"EXAMINE": {"LIST"},
    b"CREATE": {"LIST"},
    b"RENAME": {"LIST"},
    b"DELETE": {"LIST"},
}


class StrictClient:
    """One connection. `answers`: the untagged responses of the command given last, in their order; `tagged`:
    its end, once it `is_done`. `enabled`: names that ENABLED told."""

    def __init__(self) -> None:
        self.view = View()
        self.enabled: set[str] = set()
        self.answers: list[Answer] = []
        self.tagged: Answer | None = None
        self.selected = b""
        self._count = 0
        self._tag = b""
        self._command = b""
        self._buffer = b""
        self.notified = False  # by NOTIFY SET
        self._greeted = False
        self._read_only = False
        self._closed = False  # the mailbox that was selected is, by the CLOSED code

    # ------------------------------------------------------------------ commands

    def command(self, text: bytes) -> bytes:
        """What to send. The one before must be done."""
        assert self.is_done or not self._count, "a command is in progress"
        self._count += 1
        self._tag = b"s%d" % self._count
        self._command = text
        self.answers, self.tagged = [], None
        self._closed = not self.selected
        if self._is_select and not self.selected:
            self.view.reset()
        return b"%b %b\r\n" % (self._tag, text)

    @property
    def is_done(self) -> bool:
        return self.tagged is not None

    @property
    def said(self) -> str:
        """OK, NO or BAD."""
        assert self.tagged is not None
        return self.tagged.name

    @property
    def code(self) -> str:
        """The name of the tagged response's code, or ""."""
        assert self.tagged is not None
        return self.tagged.code.name if self.tagged.code else ""

    def untagged(self, name: str) -> list[Answer]:
        return [answer for answer in self.answers if answer.name == name]

    # ------------------------------------------------------------------ answers

    def receive(self, data: bytes) -> None:
        """Octets as they come; what is not whole yet waits."""
        self._buffer += data
        try:
            whole, rest = split_answers(self._buffer), b""
        except Incomplete as cut:
            rest = cut.rest
            whole = split_answers(self._buffer[: len(self._buffer) - len(rest)])
        self._buffer = rest
        for raw in whole:
            self._hear(read_answer(raw, utf8=bool(self.enabled & {"UTF8=ACCEPT", "IMAP4REV2"})))

    def _hear(self, answer: Answer) -> None:
        if not self._greeted:
            self._greeted = True
            return
        if answer.is_tagged:
            self._end(answer)
            return
        unasked = _NOTIFIED if self.notified else set()
        if self.is_done and answer.name not in _BETWEEN | unasked:
            raise ViewError(f"{answer.raw!r} while no command is in progress")
        if answer.name not in _ALWAYS | unasked | _DURING.get(self.verb, set()):
            raise ViewError(f"{answer.raw!r} during {self._command!r}")
        self.answers.append(answer)
        if answer.name == "ENABLED":
            self._enable(answer.value)
        if answer.code is not None and answer.code.name == "CLOSED":
            if self._closed or not self._is_select:
                raise ViewError(f"CLOSED during {self._command!r}")
            self._closed = True
            self.view.reset()
            return
        self.view.hear(answer, expunges=self._may_expunge, earlier=self._may_tell_earlier)

    def _enable(self, names: tuple[str, ...]) -> None:
        self.enabled |= {name.upper() for name in names}
        if self.enabled & {"CONDSTORE", "QRESYNC"}:
            self.view.aware = True
        if "QRESYNC" in self.enabled:
            self.view.quick = True

    def _end(self, answer: Answer) -> None:
        if answer.tag != self._tag or self.is_done:
            raise ViewError(f"{answer.raw!r} ends no command")
        self.tagged = answer
        self.view.finish()
        if self.verb == b"NOTIFY" and answer.name == "OK":
            self.notified = b" NONE" not in self._command.upper()
        if self._is_select:
            self._end_select(answer)
        elif self.verb in (b"CLOSE", b"UNSELECT") and answer.name == "OK":
            self.selected = b""
            self.view.reset()

    def _end_select(self, answer: Answer) -> None:
        """RFC 3501 6.3.1, RFC 7162 3.1.2."""
        if answer.name == "BAD":
            return
        self.selected = self._command.split(b" ")[1] if answer.name == "OK" else b""
        if not self.selected:
            self.view.reset()
            return
        self._read_only = self.code == "READ-ONLY"
        told = {answer.name for answer in self.answers}
        told |= {answer.code.name for answer in self.answers if answer.code}
        wanted = {"FLAGS", "EXISTS", "PERMANENTFLAGS", "UIDNEXT", "UIDVALIDITY", "HIGHESTMODSEQ"}
        if not wanted <= told or self.code not in ("READ-ONLY", "READ-WRITE") or not self._closed:
            raise ViewError(f"{self._command!r} was not told {wanted - told}, {answer.raw!r}")

    # ------------------------------------------------------------------ the command in progress

    @property
    def text(self) -> bytes:
        """The command given last."""
        return self._command

    @property
    def writable(self) -> bool:
        return bool(self.selected) and not self._read_only

    @property
    def verb(self) -> bytes:
        words = self._command.upper().split(b" ", 2)
        return words[1] if words[0] == b"UID" else words[0]

    @property
    def _is_select(self) -> bool:
        return self.verb in (b"SELECT", b"EXAMINE")

    @property
    def _may_expunge(self) -> bool:
        """No EXPUNGE or VANISHED while numbers are in use: during FETCH, STORE, SEARCH and their like, and
        UID SEARCH with sequence numbers in it (RFC 7162 3.2.10.2); and none while no command runs."""
        if self.is_done:
            return False
        command = self._command.upper()
        if not command.startswith(b"UID "):
            return _NUMBERED.match(command) is None
        if self.verb in (b"SEARCH", b"SORT", b"THREAD"):
            keys = _KEYS_WITH_NUMBERS.sub(b"", _QUOTED.sub(b"", command))
            return _NUMBERS_IN_KEYS.search(keys) is None
        return True

    @property
    def _may_tell_earlier(self) -> bool:
        command = self._command.upper()
        return b"(QRESYNC" in command if self._is_select else b"VANISHED" in command
