"""Failure and abuse reports (RFC 5965, RFC 6591, RFC 9991): the fields of message/feedback-report."""

from __future__ import annotations

import binascii
import re

from postier.message.addresses import author_domains
from postier.message.charsets import decode_unknown
from postier.message.dates import parse_date_time
from postier.message.headers import HeaderFields, unfold
from postier.message.transfer import decode_transfer
from postier.reports.limits import Unreadable
from postier.reports.words import clean, host, source_address, word
from postier.store.reports import FailureReport

__all__ = ["TEXT_REPORT", "read_failure", "read_text_failure"]

_FIELDS = 100
_HEADERS = 64 * 1024
TEXT_REPORT = b"A message claiming to be from you has failed"
"""How the reports of a large provider begin that are plain text."""
_TEXT_FIELD = re.compile(
    r"^[ \t]{0,20}([A-Za-z][A-Za-z -]{0,40}):[ \t]{0,20}(\S[^\r\n]{0,2000})", re.MULTILINE
)
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{3,45}")


def read_failure(block: bytes, original: bytes) -> FailureReport:
    """`block`: the feedback-report; `original`: the message it is about, or its header section, or b"".

    Raises Unreadable.
    """
    if b":" not in block.partition(b"\n")[0]:
        try:  # its encoding was not declared
            block = decode_transfer(block, "base64") if b"Feedback" not in block else block
        except binascii.Error:
            pass
    fields = HeaderFields(block)
    if b"feedback-type" not in fields and b"auth-failure" not in fields and b"source-ip" not in fields:
        raise Unreadable("the failure report has none of the fields of one")
    header = _header_section(original)
    reported = fields.text(b"reported-domain") or b""
    arrival = parse_date_time(fields.text(b"arrival-date") or fields.text(b"received-date") or b"")
    return FailureReport(
        feedback_type=word(_text(fields.text(b"feedback-type") or b""), "other"),
        domain=host(_text(reported)) or _author(header),
        source=_source(_text(fields.text(b"source-ip") or b"")),
        arrived=max(0, arrival.epoch) if arrival else 0,
        auth_failure=word(_text(fields.text(b"auth-failure") or b"")),
        fields=tuple((_text(one.name).lower(), _text(one.value)) for one in list(fields)[:_FIELDS]),
        headers=_lines(header),
    )


def read_text_failure(text: str) -> FailureReport:
    """A failure report in words that only a person was meant to read. Raises Unreadable."""
    fields = [
        (clean(name).lower(), clean(value)) for name, value in _TEXT_FIELD.findall(text[:_HEADERS])[:_FIELDS]
    ]
    found = dict(reversed(fields))
    source = _source(found.get("received from", "") or found.get("sender ip address", ""))
    if not source:
        raise Unreadable("the failure report does not say where the message came from")
    date = parse_date_time((found.get("received date") or found.get("date") or "").encode())
    author = (found.get("from") or found.get("sender domain") or "").rpartition("@")[2].rstrip("> ")
    return FailureReport(
        "auth-failure", host(author), source, max(0, date.epoch) if date else 0, "dmarc", tuple(fields)
    )


def _text(value: bytes) -> str:
    return clean(decode_unknown(unfold(value)), 2000)


def _source(text: str) -> str:
    found = _ADDRESS.search(text)
    return source_address(found[0]) if found else ""


def _header_section(original: bytes) -> bytes:
    original = original.lstrip(b"\r\n")
    ends = [at for at in (original.find(b"\n\n"), original.find(b"\n\r\n")) if at >= 0]
    return original[: min(ends) + 1][:_HEADERS] if ends else original[:_HEADERS]


def _author(header: bytes) -> str:
    domains = author_domains(HeaderFields(header).all(b"from"))
    return domains[0].ascii if domains else ""


def _lines(header: bytes) -> str:
    """Without control characters but for the ends of lines."""
    return "\n".join(
        "".join(letter if letter.isprintable() else " " for letter in line).rstrip()
        for line in decode_unknown(header).splitlines()
    )
