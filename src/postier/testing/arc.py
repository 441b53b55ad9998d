"""Sealing, which only tests do: what a hop with a key of its own puts above a message (RFC 8617 5.1)."""

from __future__ import annotations

import base64

from postier.mailauth.dkim.canonical import BodyHasher, relaxed_field
from postier.mailauth.dkim.sign import Signer
from postier.mailauth.headers import split_fields

__all__ = ["seal"]

_NAMES = (b"arc-authentication-results", b"arc-message-signature", b"arc-seal")


def seal(
    signer: Signer, message: bytes, results: str, *, status: str = "", signed: str = "from:to:subject"
) -> bytes:
    """`message` with one set more; `results` from the authserv-id on; `status` "" is what the chain needs."""
    header, _, body = message.partition(b"\r\n\r\n")
    fields = split_fields(header + b"\r\n")
    number = sum(field.name == b"arc-seal" for field in fields) + 1
    hasher = BodyHasher()
    hasher.feed(body)
    tags = f"i={number}; a={signer.algorithm}; d={signer.domain}; s={signer.selector}"
    aar = f"ARC-Authentication-Results: i={number}; {results}".encode()
    body_hash = base64.b64encode(hasher.digest()).decode()
    ams = f"ARC-Message-Signature: {tags}; c=relaxed/relaxed; h={signed}; bh={body_hash}; b=".encode()
    covered = [field.raw for name in signed.split(":") for field in fields if field.name == name.encode()]
    ams += _signature(signer, [*covered, ams])
    older = [
        field.raw
        for instance in range(1, number)
        for name in _NAMES
        for field in fields
        if field.name == name and f"i={instance};".encode() in field.raw
    ]
    top = f"ARC-Seal: {tags}; cv={status or ('pass' if number > 1 else 'none')}; b=".encode()
    top += _signature(signer, [*older, aar, ams, top])
    return b"\r\n".join([top, ams, aar, message])


def _signature(signer: Signer, fields: list[bytes]) -> bytes:
    return base64.b64encode(signer.signature_of(b"\r\n".join(map(relaxed_field, fields))))
