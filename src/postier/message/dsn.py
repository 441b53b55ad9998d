"""Delivery status notifications (RFC 3464 in the multipart/report of RFC 6522; RFC 6533 for UTF-8
addresses)."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from postier.base.address import Address
from postier.message.compose import DataPart, HeaderValue, MultiPart, TextPart, compose, fold
from postier.message.dates import format_date_time
from postier.message.headers import split_message

__all__ = ["Action", "MessageStatus", "RecipientStatus", "delivery_report", "delivery_status", "xtext_decode"]

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_XTEXT = re.compile(rb"\+([0-9A-F]{2})")
_UNITEXT = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_NO_QCHAR = re.compile(r"[^!-*,-<>-\[\]-~]")


class Action(StrEnum):
    """RFC 3464 2.3.3"""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True)
class MessageStatus:
    """The per-message fields (RFC 3464 2.2). Host names without their "dns;"; `arrival_date` and
    `held_until` (its sender had it leave later, RFC 4865 5.1.2) in seconds since 1970; `original_envelope_id`
    as ENVID had it, with xtext undone."""

    reporting_mta: str
    arrival_date: float | None = None
    original_envelope_id: str | None = None
    received_from_mta: str | None = None
    held_until: float | None = None


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """The fields of one recipient (RFC 3464 2.3).

    `original_recipient` has its type ("rfc822;bob@example"), as ORCPT had it with xtext undone; `status` is
    that of RFC 3463; `diagnostic_code` the remote host's reply, given with type smtp; dates in seconds
    since 1970. Raises ValueError for a status that is none.
    """

    final_recipient: Address
    action: Action
    status: str
    original_recipient: str | None = None
    remote_mta: str | None = None
    diagnostic_code: str | None = None
    last_attempt_date: float | None = None
    will_retry_until: float | None = None
    final_log_id: str | None = None

    def __post_init__(self) -> None:
        if not _STATUS.fullmatch(self.status):
            raise ValueError(f"not a status code: {self.status!r}")


def delivery_status(
    message: MessageStatus, recipients: Sequence[RecipientStatus], *, utf8: bool = True
) -> bytes:
    """The body of message/delivery-status: a group of fields for the message, then one for each recipient.

    With `utf8` what is not ASCII stands as it is, and the type is message/global-delivery-status if anything
    is; without, addresses are in the 7-bit form (utf-8-addr-xtext, RFC 6533 3), and so is what hosts said.
    Raises ValueError without recipients.
    """
    if not recipients:
        raise ValueError("a report about nobody")
    groups = [_message_fields(message), *[_recipient_fields(recipient, utf8) for recipient in recipients]]
    content = b"\r\n".join(groups)
    return content if utf8 else _embedded(content.decode()).encode()


def delivery_report(
    fields: Sequence[tuple[str, HeaderValue]],
    text: str,
    message: MessageStatus,
    recipients: Sequence[RecipientStatus],
    original: bytes,
    *,
    whole: bool = False,
    utf8: bool = False,
) -> bytes:
    """A DSN as a message: `fields` (From, To, Subject, Date, Message-ID, Auto-Submitted, ...), `text` for
    people, the fields for programs, and of `original` the header section, or all of it if `whole` (RFC 3461
    RET=FULL). `utf8`: its reader takes SMTPUTF8 (RFC 6533 4.5).
    """
    content = delivery_status(message, recipients, utf8=utf8)
    if content.isascii():
        status = DataPart("message/delivery-status", content, description="Delivery report")
    else:
        status = DataPart(
            "message/global-delivery-status", content, description="Delivery report", encoding="8bit"
        )
    failed = any(recipient.action is Action.FAILED for recipient in recipients)
    description = "Undelivered message" if failed else "The message"
    parts = (TextPart(text), status, _returned(original, description, whole=whole, utf8=utf8))
    body = MultiPart("report", parts, (("report-type", "delivery-status"),))
    return compose(fields, body, utf8=utf8 and any(_needs_smtputf8(value) for _, value in fields))


def _needs_smtputf8(value: HeaderValue) -> bool:
    return not isinstance(value, str) and any(not each.local_part.isascii() for each in value)


def _returned(original: bytes, description: str, *, whole: bool, utf8: bool) -> DataPart:
    """message/rfc822 may only be 7bit or 8bit (RFC 2046 5.2.1); bytes that are neither go as octets,
    encoded. A header beyond ASCII goes encoded to who takes no SMTPUTF8 (RFC 6533 4.5)."""
    header = original[: split_message(original)[0]]
    content = original if whole else header
    is_global = not header.isascii()
    if whole:
        content_type = "message/global" if is_global else "message/rfc822"
    else:
        content_type = "message/global-headers" if is_global else "text/rfc822-headers"
    if not _sound_lines(content) or (is_global and not _is_utf8(header)):
        return DataPart("application/octet-stream", content, description=description)
    encoding = "7bit" if content.isascii() else "base64" if is_global and not utf8 else "8bit"
    return DataPart(content_type, content, description=description, encoding=encoding)


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _sound_lines(content: bytes) -> bool:
    breaks = content.count(b"\r\n")
    return b"\0" not in content and content.count(b"\n") == breaks == content.count(b"\r")


def _message_fields(message: MessageStatus) -> bytes:
    return _group(
        ("Original-Envelope-Id", message.original_envelope_id),
        ("Reporting-MTA", f"dns; {message.reporting_mta}"),
        ("Received-From-MTA", message.received_from_mta and f"dns; {message.received_from_mta}"),
        ("Arrival-Date", _date(message.arrival_date)),
        ("Future-Release-Request", _held(message.held_until)),
    )


def _recipient_fields(recipient: RecipientStatus, utf8: bool) -> bytes:
    address = str(recipient.final_recipient)
    return _group(
        (
            "Original-Recipient",
            recipient.original_recipient and _original(recipient.original_recipient, utf8),
        ),
        ("Final-Recipient", f"rfc822; {address}" if address.isascii() else f"utf-8; {_form(address, utf8)}"),
        ("Action", recipient.action.value),
        ("Status", recipient.status),
        ("Remote-MTA", recipient.remote_mta and f"dns; {recipient.remote_mta}"),
        ("Diagnostic-Code", recipient.diagnostic_code and f"smtp; {_one_line(recipient.diagnostic_code)}"),
        ("Last-Attempt-Date", _date(recipient.last_attempt_date)),
        ("Final-Log-ID", recipient.final_log_id),
        ("Will-Retry-Until", _date(recipient.will_retry_until)),
    )


def _original(recipient: str, utf8: bool) -> str:
    kind, _, address = recipient.partition(";")
    if kind.strip().lower() != "utf-8":
        return recipient
    plain = _UNITEXT.sub(_character, address.strip())
    return f"{kind};{_form(plain, utf8)}"


def _form(address: str, utf8: bool) -> str:
    """utf-8-address, or utf-8-addr-xtext (RFC 6533 3)."""
    return address if utf8 else _NO_QCHAR.sub(lambda found: _embed(found[0]), address)


def _character(found: re.Match[str]) -> str:
    """What is no character of Unicode stays as it was written."""
    point = int(found[1], 16)
    return chr(point) if point < 0x110000 and not 0xD800 <= point < 0xE000 else found[0]


def _embed(character: str) -> str:
    return f"\\x{{{ord(character):02X}}}"


def _embedded(text: str) -> str:
    return text if text.isascii() else "".join(c if c.isascii() else _embed(c) for c in text)


def _date(seconds: float | None) -> str | None:
    return None if seconds is None else format_date_time(seconds)


def _held(until: float | None) -> str | None:
    """In UTC, as RFC 3339 writes it."""
    return None if until is None else time.strftime("until;%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))


def _one_line(text: str) -> str:
    """What a remote host said, which may have had several lines and is not ours to trust."""
    return " ".join(_CONTROL.sub(" ", text).split())[:900]


def _group(*fields: tuple[str, str | None]) -> bytes:
    return b"".join(
        [fold(f"{name}: {_one_line(value)}".encode("utf-8", "replace")) for name, value in fields if value]
    )


def xtext_decode(octets: bytes) -> str:
    """xtext undone (RFC 3461 4), for ENVID and ORCPT; what is not ASCII or UTF-8 becomes U+FFFD."""
    return _XTEXT.sub(lambda found: bytes((int(found[1], 16),)), octets).decode("utf-8", "replace")
