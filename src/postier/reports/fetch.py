"""Fetching reports over IMAP from a mailbox elsewhere, where a record has sent them so far.

The standard library's client does it, in a thread: nothing waits for it but the command that asked. Messages
are only marked as read, and only once what they hold is stored; nothing is deleted.
"""

from __future__ import annotations

import imaplib
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from postier.reports.limits import LIMITS

__all__ = ["FetchError", "Mailbox", "ReportMailbox"]

SECONDS = 60.0


class FetchError(Exception):
    """Why nothing can be fetched, in a sentence; what the other server said is in it."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """`tls`: "tls" from the start, "starttls", or "none" for the loopback alone. `everything`: also what
    was read before. `authorities`: PEM file to believe in place of the system's, "" for those."""

    host: str
    port: int
    login: str
    password: str
    folder: str = "INBOX"
    tls: str = "tls"
    everything: bool = False
    authorities: str = ""


class ReportMailbox:
    """A session; use it as a context manager, from one thread. Every method raises FetchError."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._client: imaplib.IMAP4 | None = None

    def __enter__(self) -> ReportMailbox:
        try:
            self._client = self._connect()
            self._client.login(self._mailbox.login, self._mailbox.password)
            self._say("SELECT", self._client.select(_quoted(self._mailbox.folder)))
        except (imaplib.IMAP4.error, OSError, ssl.SSLError, UnicodeError) as error:
            self.__exit__()
            raise FetchError(f"{self._mailbox.host}: {_words(error)}") from None
        except FetchError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                client.logout()
            except (imaplib.IMAP4.error, OSError):
                pass  # it is gone already, which is what was asked for

    def _connect(self) -> imaplib.IMAP4:
        one = self._mailbox
        context = ssl.create_default_context(cafile=one.authorities or None)
        if one.tls == "tls":
            return imaplib.IMAP4_SSL(one.host, one.port, ssl_context=context, timeout=SECONDS)
        client = imaplib.IMAP4(one.host, one.port, timeout=SECONDS)
        if one.tls == "starttls":
            client.starttls(context)
        return client

    def messages(self) -> Iterator[tuple[str, bytes]]:
        """(UID, octets) of each message that is to be read; one that is too long comes cut."""
        found = self._ask("SEARCH", "ALL" if self._mailbox.everything else "UNSEEN")
        for uid in b" ".join(part for part in found if isinstance(part, bytes)).decode("ascii").split():
            items = f"(BODY.PEEK[]<0.{LIMITS.octets + 1}>)"
            parts = self._ask("FETCH", uid, items)
            body = next((part[1] for part in parts if isinstance(part, tuple)), None)
            if body is not None:
                yield uid, body

    def mark_read(self, uids: list[str]) -> None:
        if uids:
            self._ask("STORE", ",".join(uids), "+FLAGS.SILENT", r"(\Seen)")

    def _open(self) -> imaplib.IMAP4:
        if self._client is None:
            raise FetchError("the session is closed")
        return self._client

    def _ask(self, verb: str, *arguments: str) -> Sequence[object]:
        try:
            return self._say(verb, self._open().uid(verb, *arguments))
        except (imaplib.IMAP4.error, OSError) as error:
            raise FetchError(f"{self._mailbox.host}: {_words(error)}") from None

    def _say(self, verb: str, answer: tuple[str, Sequence[object]]) -> Sequence[object]:
        status, data = answer
        if status != "OK":
            raise FetchError(
                f"{self._mailbox.host} answered {verb} with {status}: {_words(data and data[0])}"
            )
        return data


def _quoted(folder: str) -> str:
    if any(letter in folder for letter in "\r\n\0"):
        raise FetchError("a folder's name is one line")
    return '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _words(said: object) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return "".join(letter if letter.isprintable() else " " for letter in text)[:300]
