"""The trace we leave (RFC 5321 4.4)."""

from __future__ import annotations

import re

from postier.message.dates import format_date_time
from postier.net.api import TlsInfo

__all__ = ["delivered_to", "literal", "protocol", "received", "return_path"]

_TLS_WORD = re.compile(r"[A-Za-z0-9._-]+")


def protocol(*, extended: bool, tls: bool, authenticated: bool, smtputf8: bool, lmtp: bool = False) -> str:
    """The `with` keyword: SMTP, or ESMTP with S for TLS and A for AUTH (RFC 3848), or UTF8SMTP (RFC 6531);
    the like with LMTP."""
    if not extended:
        return "SMTP"
    plain = "LMTP" if lmtp else "SMTP" if smtputf8 else "ESMTP"
    return "UTF8" * smtputf8 + plain + "S" * tls + "A" * authenticated


def received(
    *,
    helo: str,
    ip: str | None,
    hostname: str,
    protocol: str,
    tls: TlsInfo | None,
    trace_id: str,
    forward_path: str,
    when: float,
) -> bytes:
    """The Received field with its CRLF. `helo` as SmtpServer checked it; `when` in seconds since 1970.
    `ip`: "" where it came by a Unix socket, None where nobody is to know.

    `forward_path`: the only recipient, "" where there are several (nobody learns of the others).
    """
    secured = f" ({_words(tls.version)} {_words(tls.cipher)})" if tls is not None else ""
    lines = [
        f"Received: from {helo or 'unknown'}{_origin(ip)}",
        f"by {hostname} with {protocol}{secured} id {trace_id}",
    ]
    if forward_path:
        lines.append(f"for <{forward_path}>")
    lines[-1] += ";"
    lines.append(format_date_time(when))
    return ("\r\n\t".join(lines) + "\r\n").encode()


def return_path(reverse_path: str) -> bytes:
    """RFC 5321 4.4: the last thing added, on top. `reverse_path` "" is the null path."""
    return f"Return-Path: <{reverse_path}>\r\n".encode()


def delivered_to(forward_path: str) -> bytes:
    """RFC 9228: an address of ours has sent the message on; when it comes back to it, it goes in a circle."""
    return f"Delivered-To: {forward_path}\r\n".encode()


def literal(ip: str) -> str:
    """The address-literal of an IP address (RFC 5321 4.1.3); "[]" for "", as a Unix socket has none."""
    address = ip.partition("%")[0]  # without the zone of a link-local one
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _words(text: str) -> str:
    return "-".join(_TLS_WORD.findall(text))


def _origin(ip: str | None) -> str:
    if ip is None:
        return ""
    return f" ({literal(ip) if ip else 'on this machine'})"
