"""The Received-SPF field (RFC 7208 9.1), for those behind us who still read it."""

from __future__ import annotations

import re

from postier.mailauth.authentication_results import quoted
from postier.mailauth.spf import SpfResult

__all__ = ["received_spf"]

_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


def received_spf(spf: SpfResult, *, receiver: str, ip: str, helo: str, mail_from: str) -> bytes:
    """The field, folded, CRLF included. `mail_from`: "" is the null path."""
    pairs = (
        ("receiver", receiver),
        ("identity", spf.identity),
        ("envelope-from", mail_from),
        ("helo", helo),
        ("client-ip", ip),
        ("mechanism", spf.mechanism),
        ("problem", spf.reason),
    )
    lines = [f"{name}={_value(value)}" for name, value in pairs if value]
    return (
        f"Received-SPF: {spf.result.value}\r\n\t{'; '.join(lines[:2])};\r\n\t".encode()
        + (";\r\n\t".join(lines[2:]) + "\r\n").encode()
    )


def _value(text: str) -> str:
    return text if len(text) < 240 and _DOT_ATOM.fullmatch(text) else quoted(text)
