"""Telling the sender: the report on an attempt as a message (RFC 3464), and who gets it.

A report is written for a person first: what happened to which address, one sentence of what it means, and
the remote host's own words. Programs read the second part. It goes out with the null reverse-path, so
nothing can ever answer it, and it is never made for a message that itself came from there, nor for
one that says it was sent automatically (RFC 3834): that is how mail loops are born.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from postier.base.address import Address
from postier.base.status import is_reply
from postier.message.addresses import Mailbox
from postier.message.compose import HeaderValue
from postier.message.dates import format_date_time
from postier.message.dsn import Action, MessageStatus, RecipientStatus, delivery_report, xtext_decode
from postier.message.encoded_words import decode_text
from postier.message.headers import HeaderFields, split_message, unfold
from postier.queue.meanings import meaning
from postier.queue.schedule import Schedule
from postier.queue.verdict import EXPIRED, Notice
from postier.queue.words import WORDS
from postier.store.api import AccountId

__all__ = ["Reported", "Reporter", "is_automatic"]

_ORDER = (Action.FAILED, Action.DELAYED, Action.DELIVERED, Action.RELAYED, Action.EXPANDED)


class Reported(Protocol):
    """The mail a report is about, in the words of store.api.QueueEntry, which is one."""

    @property
    def trace_id(self) -> str: ...

    @property
    def account_id(self) -> AccountId | None: ...

    @property
    def reverse_path(self) -> str: ...

    @property
    def arrived(self) -> int: ...

    @property
    def begins(self) -> int: ...

    @property
    def release_at(self) -> int: ...

    @property
    def requiretls(self) -> bool: ...

    @property
    def envid(self) -> str: ...

    @property
    def language(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Reporter:
    """`hostname`: ours, whose mailer-daemon writes the reports."""

    hostname: str
    schedule: Schedule

    def compose(
        self,
        entry: Reported,
        notices: Sequence[Notice],
        original: bytes,
        to: str,
        now: int,
        message_id: str,
        *,
        whole: bool,
        language: str = "en",
        utf8: bool = False,
    ) -> bytes:
        """The report for `to` on `notices` (at least one). `original`: the message, or its beginning with the
        whole header section; `whole`: return all of it. `message_id` without <>. `language`: a key of WORDS.
        `utf8`: who gets it can take the forms of RFC 6533; else all of it is in those of RFC 3464."""
        words = WORDS[language]
        fields = HeaderFields(original[: split_message(original)[0]])
        action = next(a for a in _ORDER if any(n.action is a for n in notices))
        what, subject = words.subjects[action], _text(fields, b"subject")
        head: list[tuple[str, HeaderValue]] = [
            ("From", [Mailbox(words.sender, "mailer-daemon", self.hostname)]),
            ("To", [Address.parse(to)]),
            ("Subject", f"{what}: {subject}" if subject else what),
            ("Date", format_date_time(now)),
            ("Message-ID", f"<{message_id}@{self.hostname}>"),
            ("Auto-Submitted", "auto-replied"),
            ("Content-Language", language),
        ]
        return delivery_report(
            head,
            "\n".join(self._lines(entry, notices, fields, subject, language)),
            MessageStatus(
                reporting_mta=self.hostname,
                arrival_date=entry.arrived,
                held_until=entry.release_at or None,
                original_envelope_id=xtext_decode(entry.envid.encode()) or None,
            ),
            [self._status(entry, notice) for notice in notices],
            original,
            whole=whole,
            utf8=utf8,
        )

    def _lines(
        self, entry: Reported, notices: Sequence[Notice], fields: HeaderFields, subject: str, language: str
    ) -> Iterator[str]:
        words = WORDS[language]
        for action in _ORDER:
            about = [notice for notice in notices if notice.action is action]
            if about:
                yield from (words.openings[action], "")
                for notice in about:
                    yield from self._about(notice, language)
            if about and action is Action.DELAYED:
                yield words.until.format(until=format_date_time(self.schedule.expires(entry.begins)))
                yield ""
        sent = _text(fields, b"date") or format_date_time(entry.arrived)
        yield words.the_message
        yield "    " + words.subject.format(subject=subject or words.no_subject)
        yield "    " + words.sent.format(sent=sent)
        yield from ("", words.signed.format(hostname=self.hostname, trace=entry.trace_id), "")

    def _about(self, notice: Notice, language: str) -> Iterator[str]:
        recipient, words = notice.recipient, WORDS[language]
        yield f"    {recipient.forward_path}"
        if notice.action in (Action.FAILED, Action.DELAYED):
            yield f"        {meaning(recipient.status, language, recipient.diagnostic)}"
        if notice.status == EXPIRED:
            yield f"        {words.given_up.format(attempts=recipient.attempts)}"
        if recipient.diagnostic:
            form = words.in_detail
            if recipient.remote:
                form = words.said if is_reply(recipient.diagnostic) else words.met
            yield f"        {form.format(remote=recipient.remote, words=recipient.diagnostic)}"
        yield ""

    def _status(self, entry: Reported, notice: Notice) -> RecipientStatus:
        recipient = notice.recipient
        return RecipientStatus(
            final_recipient=Address.parse(recipient.forward_path),
            action=notice.action,
            status=notice.status,
            original_recipient=xtext_decode(recipient.orcpt.encode()) or None,
            remote_mta=recipient.remote.partition(" ")[0] or None,
            diagnostic_code=recipient.diagnostic if is_reply(recipient.diagnostic) else None,
            last_attempt_date=recipient.last_attempt,
            will_retry_until=(
                self.schedule.expires(entry.begins) if notice.action is Action.DELAYED else None
            ),
        )


def is_automatic(original: bytes) -> bool:
    """True if the message says that no person sent it (RFC 3834 5)."""
    said = HeaderFields(original[: split_message(original)[0]]).text(b"auto-submitted")
    return said is not None and said.strip().partition(b";")[0].strip().lower() not in (b"", b"no")


def _text(fields: HeaderFields, name: bytes) -> str:
    """A field for people: decoded, on one line, bounded."""
    value = fields.first(name)
    words = decode_text(unfold(value)) if value is not None else ""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())[:200]
