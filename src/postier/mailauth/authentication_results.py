"""The Authentication-Results field (RFC 8601): what we found, for the reader and the filters behind us.

Values that a peer chose are shown only as far as they are harmless: a token, or a quoted-string without
control characters and of bounded length. Nothing in them can end the field or begin another one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from postier.mailauth.arc import Arc, ArcResult
from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dmarc import DmarcResult
from postier.mailauth.headers import split_fields
from postier.mailauth.spf import SpfResult

__all__ = ["forged_ranges", "quoted", "remove_forged", "render"]

MAX_VALUE = 240  # characters, of up to 4 octets: a line stays below 998
MAX_READ = 4096
_LINE = 76
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")  # RFC 2045 5.1, without "/"
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]*@[A-Za-z0-9.-]+")  # pvalue of RFC 8601 2.2
_UNSAFE = re.compile(r"[;\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOT_IN_COMMENT = re.compile(r"[^ !#-'*-:<-\[\]-~]")
_AUTHSERV_ID = re.compile(r'[ \t\r\n]*(?:"((?:[^"\\]|\\.)*)"|([^ \t\r\n;()"]+))', re.DOTALL)


def render(
    authserv_id: str,
    *,
    spf: SpfResult | None = None,
    spf_helo: SpfResult | None = None,
    dkim: Sequence[DkimResult] | None = None,
    dmarc: DmarcResult | None = None,
    dmarc_reason: str = "",
    arc: ArcResult | None = None,
    mail_from: str | None = None,
    helo: str = "",
    ip: IPv4Address | IPv6Address | str | None = None,
    auth_user: str = "",
    iprev: tuple[str, str] | None = None,
) -> bytes:
    """The field, folded, CRLF included; what is None was not examined and is left out.

    `spf_helo`: of the helo identity where `spf` is of the other (RFC 7208 2.3).
    `authserv_id`: our own name. `mail_from`: the reverse-path as it was given, for smtp.mailfrom; `helo`: for
    the helo identity. `auth_user`: a client that logged in, for auth=pass (RFC 4954). `iprev`: the result
    of reverse DNS and the name it found, "" for none (RFC 8601 2.7.3). `dmarc_reason`: why mail that fails is
    treated as it is.
    """
    results: list[str] = []
    if auth_user:
        results.append(f"auth=pass smtp.auth={_value(auth_user)}")
    if iprev is not None:
        result, name = iprev
        results.append(" ".join(filter(None, (f"iprev={result}", _comment(name), _policy_iprev(ip)))))
    if spf is not None:
        results.append(_spf(spf, mail_from, helo, ip))
    if spf_helo is not None:
        results.append(_spf(spf_helo, None, helo, ip))
    if dkim is not None:
        results.extend(_dkim(each) for each in dkim)
        if not dkim:
            results.append("dkim=none")
    if dmarc is not None:
        results.append(_dmarc(dmarc, dmarc_reason))
    if arc is not None and arc.result is not Arc.NONE:
        results.append(_arc(arc))
    lines = [_token_or_quoted(authserv_id), *(results or ["none"])]
    return ("Authentication-Results: " + ";\r\n\t".join(lines) + "\r\n").encode()


def _policy_iprev(ip: object) -> str:
    return f"policy.iprev={_value(str(ip))}" if ip is not None else ""


def _spf(spf: SpfResult, mail_from: str | None, helo: str, ip: object) -> str:
    client = f" client-ip={_value(str(ip))}" if ip is not None else ""
    if spf.identity == "helo":
        prop = f"smtp.helo={_value(helo or spf.domain)}" if helo or spf.domain else ""
    else:
        prop = f"smtp.mailfrom={_value(mail_from or spf.domain)}"
    comment = _comment(f"{spf.reason}{client}".strip())
    return _fold([part for part in (f"spf={spf.result.value}", comment, prop) if part])


def _dkim(signature: DkimResult) -> str:
    """header.b tells two signatures of one key apart (RFC 6008)."""
    props = [
        (name, value)
        for name, value in (
            ("header.d", signature.domain),
            ("header.s", signature.selector),
            ("header.a", signature.algorithm),
            ("header.i", signature.identity),
            ("header.b", signature.signature),
        )
        if value
    ]
    reason = "the end of the body is not signed" if signature.body_length_short else signature.reason
    parts = [f"dkim={signature.result.value}"]
    if reason and (signature.result is not Dkim.PASS or signature.body_length_short):
        parts.append(f"reason={quoted(reason)}")
    return _fold(parts + [f"{name}={_value(value)}" for name, value in props])


def _dmarc(dmarc: DmarcResult, reason: str) -> str:
    parts = [f"dmarc={dmarc.result.value}"]
    if dmarc.policy is not None and dmarc.record is not None:
        parts.append(_comment(f"p={dmarc.record.policy.value} policy={dmarc.policy.value}"))
    if reason:
        parts.append(f"reason={quoted(reason)}")
    if dmarc.domain:
        parts.append(f"header.from={_value(dmarc.domain)}")
    if dmarc.policy is not None:
        parts.append(f"policy.dmarc={dmarc.policy.value}")
    return _fold(parts)


def _arc(arc: ArcResult) -> str:
    """RFC 8617 6. Who sealed last, of a chain that holds; else why not."""
    parts = [f"arc={arc.result.value}"]
    if arc.sets:
        parts.append(_comment(f"i={len(arc.sets)} as.d={arc.sealer} as.s={arc.sets[-1].selector}"))
    else:
        parts.append(f"reason={quoted(arc.reason)}")
    return _fold(parts)


def _fold(parts: Sequence[str]) -> str:
    """The parts with spaces between them, folded where a line would grow long."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) < _LINE:
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    return "\r\n\t ".join(lines)


def _value(text: str) -> str:
    """A pvalue: a token, an address of tokens, or a quoted-string."""
    return text if len(text) <= MAX_VALUE and _ADDRESS.fullmatch(text) else _token_or_quoted(text)


def _token_or_quoted(text: str) -> str:
    return text if len(text) <= MAX_VALUE and _TOKEN.fullmatch(text) else quoted(text)


def quoted(text: str) -> str:
    """`text` as a quoted-string, cut where it is longer than MAX_VALUE.

    Controls become "?", and so do semicolons: many who read this field split it there, quotes or not.
    """
    safe = _UNSAFE.sub("?", text[:MAX_VALUE]).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{safe}"'


def _comment(text: str) -> str:
    return f"({_NOT_IN_COMMENT.sub('?', text[:MAX_VALUE])})" if text else ""


def forged_ranges(header_section: bytes, authserv_id: str) -> list[tuple[int, int]]:
    """Where in `header_section` fields stand that claim our own `authserv_id` (RFC 8601 5).

    Whoever takes mail from outside must leave them out. A field whose id can't be read counts as forged too:
    some other program may read ours out of it.
    """
    ours = authserv_id.lower()
    return [
        (field.start, field.end)
        for field in split_fields(header_section)
        if field.name == b"authentication-results" and _claimed_id(field.value) in (ours, "")
    ]


def remove_forged(header_section: bytes, authserv_id: str) -> bytes:
    """`header_section` without the fields of `forged_ranges`."""
    pieces: list[bytes] = []
    position = 0
    for start, end in forged_ranges(header_section, authserv_id):
        pieces.append(header_section[position:start])
        position = end
    return b"".join([*pieces, header_section[position:]]) if pieces else header_section


def _claimed_id(value: bytes) -> str:
    """The authserv-id in lower case; "" for a field that has none. Comments before it are skipped."""
    text = _skip_comments(value[:MAX_READ].decode("utf-8", "replace"))
    found = _AUTHSERV_ID.match(text)
    if not found:
        return ""
    quoted, token = found.groups()
    return (
        (re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else token).strip().lower().removesuffix(".")
    )


def _skip_comments(text: str) -> str:
    """`text` from its first character that is neither folding white space nor within a comment."""
    depth = position = 0
    while position < len(text):
        character = text[position]
        if character == "\\" and depth:
            position += 1
        elif character == "(":
            depth += 1
        elif character == ")" and depth:
            depth -= 1
        elif not depth and character not in " \t\r\n":
            return text[position:]
        position += 1
    return ""
