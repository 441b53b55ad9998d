"""Reports as mail: what people and programs at the other end expect of them (RFC 8460 5.3, RFC 9990 4.3)."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

from postier.base.address import Address
from postier.mailauth.dkim.canonical import BodyHasher
from postier.mailauth.dkim.sign import sign
from postier.message.addresses import Mailbox
from postier.message.compose import DataPart, HeaderValue, MultiPart, TextPart, compose
from postier.message.dates import format_date_time
from postier.message.headers import split_message
from postier.reports.out.identity import DAY, Identity

__all__ = ["MEDIA_TYPES", "Report", "report_mail", "signed"]


@dataclass(frozen=True, slots=True)
class Report:
    """One document about the mail of `day` to, or from, `domain`. `kind`: "tls" or "dmarc". `report_id`: as
    in a Message-ID, without <>."""

    kind: str
    domain: str
    day: int
    report_id: str
    document: bytes = b""
    packed: bytes = b""

    @classmethod
    def of(cls, kind: str, domain: str, day: int, report_id: str, document: bytes) -> Report:
        """Packs it, which takes a while: gzip, the same octets for the same document."""
        return cls(kind, domain, day, report_id, document, gzip.compress(document, mtime=0))

    def file_name(self, submitter: str) -> str:
        """RFC 8460 5.1, RFC 9990 4.3.1."""
        begin, end = self.day * DAY, (self.day + 1) * DAY - 1
        unique = "".join(c for c in self.report_id.partition("@")[0] if c.isalnum())
        return f"{submitter}!{self.domain}!{begin}!{end}!{unique}.{_EXTENSIONS[self.kind]}"

    def subject(self, submitter: str) -> str:
        return f"Report Domain: {self.domain} Submitter: {submitter} Report-ID: <{self.report_id}>"


_EXTENSIONS = {"tls": "json.gz", "dmarc": "xml.gz"}
MEDIA_TYPES = {"tls": "application/tlsrpt+gzip", "dmarc": "application/gzip"}
_TEXTS = {
    "tls": (
        "This is a report on the TLS of mail that {submitter} sent to {domain} (RFC 8460).\n"
        "The record at _smtp._tls.{domain} asks for it.\n"
    ),
    "dmarc": (
        "This is a DMARC aggregate report on mail with From: {domain} that {submitter} got (RFC 9990).\n"
        "The record at _dmarc.{domain} asks for it.\n"
    ),
}


def report_mail(report: Report, identity: Identity, to: Address, now: float, message_id: str) -> bytes:
    """The message for `to`, signed. It asks for no answer, and goes out whatever TLS the other side promises:
    a report on broken TLS must arrive (RFC 8460 3, RFC 8689 4.2)."""
    submitter = identity.domain
    text = _TEXTS[report.kind].format(submitter=submitter, domain=report.domain)
    fields: list[tuple[str, HeaderValue]] = [
        ("From", [Mailbox("", identity.contact.local_part, submitter)]),
        ("To", [to]),
        ("Subject", report.subject(submitter)),
        ("Date", format_date_time(now)),
        ("Message-ID", f"<{message_id}@{identity.hostname}>"),
        ("Auto-Submitted", "auto-generated"),
    ]
    attached = DataPart(MEDIA_TYPES[report.kind], report.packed, report.file_name(submitter))
    parts = (TextPart(text + f"\nReport-ID: <{report.report_id}>\n"), attached)
    if report.kind == "tls":
        fields += [
            ("TLS-Report-Domain", report.domain),
            ("TLS-Report-Submitter", submitter),
            ("TLS-Required", "No"),
        ]
        body = MultiPart("report", parts, (("report-type", "tlsrpt"),))
    else:
        body = MultiPart("mixed", parts)
    return signed(identity, compose(fields, body), int(now))


def signed(identity: Identity, data: bytes, now: int) -> bytes:
    """`data` with the signatures of who sends it."""
    header_end, body_start = split_message(data)
    hasher = BodyHasher()
    hasher.feed(data[body_start:])
    return sign(identity.signers, data[:header_end], hasher.digest(), timestamp=now) + data
