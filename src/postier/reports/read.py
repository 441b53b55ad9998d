"""A file or a mail with a report in it: found by what the octets are, since names and types lie."""

from __future__ import annotations

import binascii
import re

from postier.message.structure import Kind, Node, Scanner
from postier.message.transfer import decode_transfer
from postier.reports.aggregate import read_aggregate
from postier.reports.containers import looks_packed, unpack
from postier.reports.failure import TEXT_REPORT, read_failure, read_text_failure
from postier.reports.limits import Budget, Unreadable
from postier.reports.markup import decode_markup
from postier.reports.smime import signed_content
from postier.reports.tls import read_tls
from postier.store.reports import AggregateReport, FailureReport, TlsReport

__all__ = ["Report", "read_report"]

Report = AggregateReport | FailureReport | TlsReport

_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_FIELD = re.compile(rb"[!-9;-~]{1,80}[ \t]{0,10}:|From ")
_ENVELOPES = (b"application/pkcs7-mime", b"application/x-pkcs7-mime")
_ORIGINALS = (
    b"message/rfc822",
    b"message/rfc-822",
    b"message/global",
    b"text/rfc822-headers",
    b"text/rfc822",
    b"text/rfc-822-headers",
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]{60,}")


def read_report(data: bytes, budget: Budget) -> list[Report]:
    """The reports in a file: XML, JSON, packed or not, or a whole mail with them. Never an empty list.

    Raises Unreadable, with the reason of the part that looked most like a report.
    """
    if not data.strip():
        raise Unreadable("it is empty")
    content = unpack(data, budget)
    kind = _kind(content)
    if kind in ("xml", "json"):
        return [_read_document(content, kind, budget)]
    if _FIELD.match(content.lstrip()):
        return _read_mail(content.lstrip(), budget, 1)
    raise Unreadable("it is neither XML nor JSON nor a mail")


def _kind(content: bytes) -> str:
    """Of what is unpacked: "xml", "json" or ""."""
    start = content[:1000]
    if start[:1] == b"\0" or start[1:2] == b"\0" or start.startswith(_MARKS[1:]):
        start = decode_markup(start).encode()
    start = start.removeprefix(_MARKS[0]).lstrip(b" \t\r\n\0")
    if start.startswith(b"<"):
        return "xml"
    return "json" if start.startswith(b"{") else ""


def _read_document(content: bytes, kind: str, budget: Budget) -> AggregateReport | TlsReport:
    if kind == "json":
        return read_tls(content, budget)
    return read_aggregate(decode_markup(content), budget)


def _read_mail(data: bytes, budget: Budget, layer: int) -> list[Report]:
    """`layer`: how many mails are around what is looked at."""
    scanner = Scanner()
    scanner.feed_last(data)
    budget.check()
    nodes = scanner.nodes
    found: list[Report] = []
    reason = ""
    tried = 0
    about = _first_original(data, nodes)
    for node in nodes:
        kind = node.header.content_type.value
        if node.kind is Kind.MESSAGE and _BASE64.fullmatch(data[node.body_start : node.end][:4096].strip()):
            kind = b"application/octet-stream"  # which no message may be (RFC 2046 5.2.1), and some are
        elif node.kind is not Kind.LEAF or kind == b"text/html":
            continue
        if _is_inside(nodes, node):
            continue
        if tried == budget.limits.attachments:
            break
        tried += 1
        try:
            found += _read_part(_content(data, node), kind, about, budget, layer)
        except Unreadable as error:
            reason = reason or str(error)
        if sum(len(one.rows) for one in found if isinstance(one, AggregateReport)) > budget.limits.rows:
            raise Unreadable(f"the reports in it have more than {budget.limits.rows} rows")
    if not found:
        raise Unreadable(reason or "no part of the mail is a report")
    return found


def _read_part(content: bytes, kind: bytes, about: bytes, budget: Budget, layer: int) -> list[Report]:
    """None from a part that is not meant to be one. Raises Unreadable from one that is."""
    if kind == b"message/feedback-report":
        return [read_failure(content, about)]
    if kind in _ORIGINALS:
        return []
    if kind in _ENVELOPES:
        return _read_inner(signed_content(content), budget, layer)
    is_decoded = False
    if looks_packed(content):
        content = unpack(content, budget)
    elif kind == b"text/plain" and TEXT_REPORT in content[:2000]:
        return [read_text_failure(content.decode("utf-8", "replace"))]
    elif not _kind(content) and _BASE64.fullmatch(content[:4096].strip()):
        content = unpack(_from_base64(content), budget)  # encoded twice, or without saying so
        is_decoded = True
    what = _kind(content)
    if what:
        return [_read_document(content, what, budget)]
    if _FIELD.match(content.lstrip()) and (is_decoded or not kind.startswith(b"text/")):
        return _read_inner(content, budget, layer)  # a mail as a file, as some programs forward it
    if kind.startswith(b"text/"):
        return []
    if kind.startswith((b"application/gzip", b"application/zip", b"application/xml", b"application/tlsrpt")):
        raise Unreadable(f"the {kind.decode('ascii', 'replace')} part is none")
    return []


def _read_inner(content: bytes, budget: Budget, layer: int) -> list[Report]:
    if layer == budget.limits.layers:
        raise Unreadable(f"it has mails in mails, more than {layer} deep")
    return _read_mail(content.lstrip(), budget, layer + 1)


def _from_base64(content: bytes) -> bytes:
    try:
        return decode_transfer(content, "base64")
    except binascii.Error:
        return b""


def _content(data: bytes, node: Node) -> bytes:
    encoding = node.header.encoding.decode("ascii", "replace")
    try:
        return decode_transfer(data[node.body_start : node.end], encoding)
    except binascii.Error:
        return data[node.body_start : node.end]


def _is_inside(nodes: list[Node], node: Node) -> bool:
    """Part of the message that a failure report is about, not of the report. A message that was only passed
    on may hold a report of its own."""
    while node.parent >= 0:
        node = nodes[node.parent]
        if node.kind is Kind.MESSAGE and node.parent >= 0:
            around = nodes[node.parent].header.content_type
            if around.parameters.get("report-type", "").lower() == "feedback-report":
                return True
    return False


def _first_original(data: bytes, nodes: list[Node]) -> bytes:
    for node in nodes:
        if node.parent >= 0 and node.header.content_type.value in _ORIGINALS:
            return _content(data, node)
    return b""
