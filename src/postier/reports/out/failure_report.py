"""Failure reports (RFC 9991, in the form of RFC 6591 and RFC 5965): one message that failed DMARC, to the
domain in whose name it came.

They tell of a single message, so there is no more in them than its sender wrote for all the world to see: of
its header the fields of KEPT, without the addresses of its recipients, and nothing of its body.
"""

from __future__ import annotations

import re

from postier import __version__
from postier.base.address import Address
from postier.mailauth.evaluation import Evaluation
from postier.message.addresses import Mailbox
from postier.message.compose import DataPart, HeaderValue, MultiPart, TextPart, compose
from postier.message.dates import format_date_time
from postier.message.headers import HeaderFields
from postier.reports.out.identity import Identity
from postier.reports.out.mail import signed

__all__ = ["failure_mail", "is_failure", "kept_header"]

KEPT = frozenset(
    (b"from", b"sender", b"reply-to", b"date", b"message-id", b"subject", b"received", b"dkim-signature",
     b"arc-seal", b"arc-message-signature", b"arc-authentication-results", b"list-id", b"mime-version",
     b"content-type", b"return-path", b"x-mailer", b"user-agent")
)  # fmt: skip
MAX_HEADER = 32 * 1024
_FOR = re.compile(rb"\bfor\s+<?[^\s;<>]{1,320}>?", re.IGNORECASE)
_RESULTS = {"pass": "delivered", "none": "delivered", "quarantine": "spam", "reject": "reject"}


def is_failure(evaluation: Evaluation) -> bool:
    """Whether the record's fo= wants to hear of it (RFC 9991 4, RFC 9989 4.7)."""
    policy = evaluation.policy
    if policy is None:
        return False
    options = set(policy.fo.split(":"))
    return (
        ("0" in options and evaluation.result == "fail")
        or ("1" in options and not (evaluation.spf_aligned and evaluation.dkim_aligned))
        or ("d" in options and any(one.result == "fail" for one in evaluation.dkim))
        or ("s" in options and evaluation.spf.result in ("fail", "softfail"))
    )


def kept_header(header: bytes) -> bytes:
    """The fields that may be told, as they were, and no recipient's address."""
    fields = HeaderFields(header)
    kept = [header[field.start : field.end] for field in fields if field.name.lower() in KEPT]
    return _FOR.sub(b"for <redacted>", b"".join(kept))[:MAX_HEADER]


def failure_mail(
    identity: Identity,
    evaluation: Evaluation,
    reverse_path: str,
    header: bytes,
    to: Address,
    *,
    arrived: float,
    now: float,
    message_id: str,
) -> bytes:
    """The message for `to`, signed. `header`: what is kept of it, see kept_header."""
    domain = evaluation.header_from
    text = (
        f"A message with From: {domain} came from {evaluation.source_ip} and failed DMARC (RFC 9991).\n"
        "The DMARC record of that domain asks to hear of it.\n"
    )
    fields: list[tuple[str, HeaderValue]] = [
        ("From", [Mailbox("", identity.contact.local_part, identity.domain)]),
        ("To", [to]),
        ("Subject", f"DMARC failure report for {domain} from {evaluation.source_ip}"),
        ("Date", format_date_time(now)),
        ("Message-ID", f"<{message_id}@{identity.hostname}>"),
        ("Auto-Submitted", "auto-generated"),
    ]
    parts = (
        TextPart(text),
        DataPart("message/feedback-report", _block(identity, evaluation, reverse_path, arrived)),
        DataPart("text/rfc822-headers", header),
    )
    body = MultiPart("report", parts, (("report-type", "feedback-report"),))
    return signed(identity, compose(fields, body), int(now))


def _block(identity: Identity, evaluation: Evaluation, reverse_path: str, arrived: float) -> bytes:
    aligned = (("dkim", evaluation.dkim_aligned), ("spf", evaluation.spf_aligned))
    unaligned = ", ".join(name for name, is_aligned in aligned if not is_aligned)
    lines = [
        "Feedback-Type: auth-failure",
        f"User-Agent: Postier/{__version__}",
        "Version: 1",
        "Auth-Failure: dmarc",
        f"Identity-Alignment: {unaligned or 'none'}",
        f"Authentication-Results: {identity.hostname}; dmarc={evaluation.result}"
        f" header.from={evaluation.header_from}",
        f"Source-IP: {evaluation.source_ip}",
        f"Reported-Domain: {evaluation.header_from}",
        f"Delivery-Result: {_RESULTS.get(evaluation.disposition, 'other')}",
        f"Arrival-Date: {format_date_time(arrived)}",
    ]
    if reverse_path.isascii() and reverse_path.isprintable():
        lines.append(f"Original-Mail-From: <{reverse_path}>")
    failed = [one for one in evaluation.dkim if one.result != "pass"]
    if failed:
        lines += [f"DKIM-Domain: {failed[0].domain}", f"DKIM-Selector: {failed[0].selector}"]
    return "".join([f"{''.join(filter(str.isprintable, line))}\r\n" for line in lines]).encode(
        "utf-8", "replace"
    )
