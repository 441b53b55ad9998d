"""Signing what we send (RFC 6376 5): relaxed/relaxed, SHA-256, one field for each key.

    hasher = BodyHasher()
    for chunk in body:
        hasher.feed(chunk)
    fields = sign(signers, header_section, hasher.digest(), timestamp=now)

The fields of OVERSIGNED are named once more than they occur, so that none can be added later
(RFC 6376 5.4.2 and 8.15); those of SIGNED_IF_PRESENT as often as they occur.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from postier.base.domain import Domain
from postier.mailauth.dkim.canonical import relaxed_field
from postier.mailauth.dkim.keys import PrivateKey
from postier.mailauth.headers import Field, split_fields

__all__ = ["OVERSIGNED", "SIGNED_IF_PRESENT", "Signer", "sign"]

OVERSIGNED = (
    "From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "In-Reply-To", "References",
    "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
)  # fmt: skip
SIGNED_IF_PRESENT = (
    "Sender", "Auto-Submitted", "List-Id", "List-Post", "List-Help", "List-Unsubscribe",
    "List-Unsubscribe-Post",  # RFC 8058 4 wants the last two signed
    "TLS-Report-Domain", "TLS-Report-Submitter",  # RFC 8460 5.3
)  # fmt: skip

_LINE = 76
_FOLD = "\r\n\t"
_CHOSEN = tuple(
    (name, name.lower().encode(), extra)
    for chosen, extra in ((OVERSIGNED, 1), (SIGNED_IF_PRESENT, 0))
    for name in chosen
)
"""In which order fields are signed, and how many times more than they occur they are named."""


@dataclass(frozen=True, slots=True)
class Signer:
    """One key of one domain. Raises ValueError where domain or selector is no name."""

    domain: str
    selector: str
    private_key: PrivateKey

    def __post_init__(self) -> None:
        object.__setattr__(self, "domain", Domain.parse(self.domain).ascii)
        object.__setattr__(self, "selector", Domain.parse(self.selector).ascii)

    @property
    def algorithm(self) -> str:
        return "rsa-sha256" if isinstance(self.private_key, RSAPrivateKey) else "ed25519-sha256"

    def signature_of(self, octets: bytes) -> bytes:
        if isinstance(self.private_key, RSAPrivateKey):
            return self.private_key.sign(octets, padding.PKCS1v15(), SHA256())
        return self.private_key.sign(hashlib.sha256(octets).digest())  # RFC 8463 3


def sign(signers: Sequence[Signer], header_section: bytes, body_hash: bytes, *, timestamp: int) -> bytes:
    """The DKIM-Signature fields, CRLF included, to put above `header_section`; b"" without signers.

    `body_hash` is BodyHasher.digest(); `timestamp` seconds since 1970 (t=).
    """
    if not signers:
        return b""
    names, octets = _choose(split_fields(header_section))
    bh = base64.b64encode(body_hash).decode()
    fields = []
    for signer in signers:
        field = _field(signer, names, bh, timestamp)
        data = base64.b64encode(signer.signature_of(octets + relaxed_field(field))).decode()
        fields.append(field + _fold_data(data).encode() + b"\r\n")
    return b"".join(fields)


def _choose(fields: Sequence[Field]) -> tuple[tuple[str, ...], bytes]:
    """The names for h=, and the canonical fields that they stand for, from the bottom up."""
    by_name: dict[bytes, list[bytes]] = {}
    for field in fields:
        by_name.setdefault(field.name, []).append(field.raw)
    names: list[str] = []
    lines: list[bytes] = []
    for name, lower, extra in _CHOSEN:
        instances = by_name.get(lower, ())
        names += [name] * (len(instances) + extra)
        for raw in reversed(instances):
            lines.append(relaxed_field(raw))
    lines.append(b"")
    return tuple(names), b"\r\n".join(lines)


def _field(signer: Signer, names: tuple[str, ...], bh: str, timestamp: int) -> bytes:
    """The field with an empty b= at its end, folded, without the final CRLF."""
    lines = (
        f"DKIM-Signature: v=1; a={signer.algorithm}; c=relaxed/relaxed;",
        f"d={signer.domain}; s={signer.selector}; t={timestamp};",
        _named(names),
        f"bh={bh};",
        "b=",
    )
    return _FOLD.join(lines).encode("ascii")


@functools.lru_cache(maxsize=100)
def _named(names: tuple[str, ...]) -> str:
    """The tag h=, folded. Most messages that a program writes have the same fields."""
    lines = []
    line = "h="
    for index, name in enumerate(names):
        piece = name + (":" if index < len(names) - 1 else ";")
        if len(line) + len(piece) > _LINE:
            lines.append(line)
            line = ""
        line += piece
    return _FOLD.join([*lines, line])


def _fold_data(data: str) -> str:
    first, rest = data[: _LINE - 3], data[_LINE - 3 :]
    return _FOLD.join([first, *(rest[i : i + _LINE] for i in range(0, len(rest), _LINE))])
