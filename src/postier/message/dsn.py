"""Delivery status notifications (RFC 3464 in the multipart/report of RFC 6522; RFC 6533 for UTF-8
addresses)."""

from __future__ import annotations

import re
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


class Action(StrEnum):
    """RFC 3464 2.3.3"""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True)
class MessageStatus:
    """The per-message fields (RFC 3464 2.2). Host names without their "dns;"; `arrival_date` in seconds
    since 1970; `original_envelope_id` as ENVID had it, with xtext undone."""

    reporting_mta: str
    arrival_date: float | None = None
    original_envelope_id: str | None = None
    received_from_mta: str | None = None


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


def delivery_status(message: MessageStatus, recipients: Sequence[RecipientStatus]) -> bytes:
    """The body of message/delivery-status: a group of fields for the message, then one for each recipient.

    UTF-8 stands in it if a recipient's address needs it; then its type is message/global-delivery-status.
    Raises ValueError without recipients.
    """
    if not recipients:
        raise ValueError("a report about nobody")
    groups = [_message_fields(message), *map(_recipient_fields, recipients)]
    return b"\r\n".join(groups)


def delivery_report(
    fields: Sequence[tuple[str, HeaderValue]],
    text: str,
    message: MessageStatus,
    recipients: Sequence[RecipientStatus],
    original: bytes,
    *,
    whole: bool = False,
) -> bytes:
    """A DSN as a message: `fields` (From, To, Subject, Date, Message-ID, Auto-Submitted, ...), `text` for
    people, the fields for programs, and of `original` the header section, or all of it if `whole` (RFC 3461
    RET=FULL).
    """
    utf8 = any(recipient.final_recipient.needs_smtputf8 for recipient in recipients)
    status_type = "message/global-delivery-status" if utf8 else "message/delivery-status"
    content = delivery_status(message, recipients)
    status = DataPart(
        status_type, content, description="Delivery report", encoding=None if content.isascii() else "8bit"
    )
    failed = any(recipient.action is Action.FAILED for recipient in recipients)
    description = "Undelivered message" if failed else "The message"
    parts = (TextPart(text), status, _returned(original, whole, description))
    body = MultiPart("report", parts, (("report-type", "delivery-status"),))
    return compose(fields, body, utf8=utf8)


def _returned(original: bytes, whole: bool, description: str) -> DataPart:
    """message/rfc822 may only be 7bit or 8bit (RFC 2046 5.2.1); bytes that are neither go as octets,
    encoded."""
    content = original if whole else original[: split_message(original)[0]]
    header_is_ascii = original[: split_message(original)[0]].isascii()
    if whole:
        content_type = "message/rfc822" if header_is_ascii else "message/global"
    else:
        content_type = "text/rfc822-headers" if header_is_ascii else "message/global-headers"
    if not _sound_lines(content):
        return DataPart("application/octet-stream", content, description=description)
    encoding = "7bit" if content.isascii() else "8bit"
    return DataPart(content_type, content, description=description, encoding=encoding)


def _sound_lines(content: bytes) -> bool:
    breaks = content.count(b"\r\n")
    return b"\0" not in content and content.count(b"\n") == breaks == content.count(b"\r")


def _message_fields(message: MessageStatus) -> bytes:
    return _group(
        ("Original-Envelope-Id", message.original_envelope_id),
        ("Reporting-MTA", f"dns; {message.reporting_mta}"),
        ("Received-From-MTA", message.received_from_mta and f"dns; {message.received_from_mta}"),
        ("Arrival-Date", _date(message.arrival_date)),
    )


def _recipient_fields(recipient: RecipientStatus) -> bytes:
    address = recipient.final_recipient
    final = f"{'utf-8' if address.needs_smtputf8 else 'rfc822'}; {address}"
    return _group(
        ("Original-Recipient", recipient.original_recipient),
        ("Final-Recipient", final),
        ("Action", recipient.action.value),
        ("Status", recipient.status),
        ("Remote-MTA", recipient.remote_mta and f"dns; {recipient.remote_mta}"),
        ("Diagnostic-Code", recipient.diagnostic_code and f"smtp; {_one_line(recipient.diagnostic_code)}"),
        ("Last-Attempt-Date", _date(recipient.last_attempt_date)),
        ("Final-Log-ID", recipient.final_log_id),
        ("Will-Retry-Until", _date(recipient.will_retry_until)),
    )


def _date(seconds: float | None) -> str | None:
    return None if seconds is None else format_date_time(seconds)


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
