"""The fields DKIM-Signature (RFC 6376 3.5) and ARC-Message-Signature (RFC 8617 4.1.2): read, checked, and
without the b= value for hashing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from postier.base.domain import Domain
from postier.mailauth.dkim.tags import TagError, decode_base64, split_colon_list

__all__ = [
    "ALGORITHMS",
    "Signature",
    "domain_tag",
    "number_tag",
    "parse_arc_signature",
    "parse_signature",
    "require_tags",
    "without_signature_data",
]

ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}  # RFC 8301 3.1: rsa-sha1 is gone

_SIGNATURE_DATA = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_NUMBER = re.compile(r"[0-9]{1,12}")
_LENGTH = re.compile(r"[0-9]{1,76}")
_CANONICALIZATIONS = {"simple": False, "relaxed": True}


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that can be verified. `headers`: h= in lower case. `expires`: x=, seconds since 1970."""

    domain: str
    selector: str
    identity: str
    identity_domain: str
    algorithm: str
    relaxed_header: bool
    relaxed_body: bool
    headers: tuple[bytes, ...]
    body_hash: bytes
    body_length: int | None
    expires: int | None
    data: bytes


def without_signature_data(raw: bytes) -> bytes:
    """The field with an empty b= (RFC 6376 3.5 and 3.7); all else byte for byte."""
    name, colon, value = raw.partition(b":")
    return name + colon + _SIGNATURE_DATA.sub(rb"\1", value, count=1)


def parse_signature(tags: dict[str, str]) -> Signature:
    """Raises TagError where the signature can't be verified at all (RFC 6376 6.1.1)."""
    require_tags(tags, ("v", "a", "b", "bh", "d", "h", "s"))
    if tags["v"] != "1":
        raise TagError("unknown version")
    domain = domain_tag(tags, "d")
    found = _parse(tags, domain, *_identity(tags.get("i", ""), domain), "simple")
    if b"from" not in found.headers:
        raise TagError("From is not signed")
    return found


def parse_arc_signature(tags: dict[str, str]) -> Signature:
    """Tags of an ARC-Message-Signature: no version and no identity; h= may name nothing, but no ARC-Seal.

    Without c= it is relaxed/relaxed, as the public test suite of the draft has it.
    """
    require_tags(tags, ("a", "b", "bh", "d", "s"))
    domain = domain_tag(tags, "d")
    if "h" not in tags:
        raise TagError("tag h= is missing")
    found = _parse(tags, domain, f"@{domain}", domain, "relaxed/relaxed")
    if b"arc-seal" in found.headers:
        raise TagError("an ARC-Seal is signed")
    return found


def require_tags(tags: dict[str, str], names: Iterable[str]) -> None:
    """Raises TagError where one of `names` is missing or empty."""
    for name in names:
        if not tags.get(name):
            raise TagError(f"tag {name}= is missing")


def _parse(
    tags: dict[str, str], domain: str, identity: str, identity_domain: str, canonicalization: str
) -> Signature:
    if tags["a"].lower() not in ALGORITHMS:
        raise TagError("algorithm not accepted")
    if "q" in tags and "dns/txt" not in (q.lower() for q in split_colon_list(tags["q"])):
        raise TagError("unknown query method")
    relaxed_header, relaxed_body = _canonicalization(tags.get("c", canonicalization))
    return Signature(
        domain=domain,
        selector=domain_tag(tags, "s"),
        identity=identity,
        identity_domain=identity_domain,
        algorithm=tags["a"].lower(),
        relaxed_header=relaxed_header,
        relaxed_body=relaxed_body,
        headers=tuple([name.lower().encode() for name in split_colon_list(tags["h"]) if name]),
        body_hash=decode_base64(tags["bh"]),
        body_length=number_tag(tags, "l", _LENGTH),
        expires=_expiration(tags),
        data=decode_base64(tags["b"]),
    )


def domain_tag(tags: dict[str, str], tag: str) -> str:
    """A-labels of a domain or selector, which may be written in U-labels (RFC 8616 5). Raises TagError."""
    return _domain(tags[tag], tag)


def _domain(text: str, tag: str) -> str:
    try:
        return Domain.parse(text).ascii
    except ValueError:
        raise TagError(f"tag {tag}= is no domain name") from None


def _identity(text: str, domain: str) -> tuple[str, str]:
    if not text:
        return f"@{domain}", domain
    local_part, at, identity_domain = text.rpartition("@")
    if not at:
        raise TagError("tag i= has no @")
    ascii_domain = _domain(identity_domain, "i")
    if ascii_domain != domain and not ascii_domain.endswith("." + domain):
        raise TagError("tag i= is not within d=")
    return f"{local_part}@{ascii_domain}", ascii_domain


def _canonicalization(text: str) -> tuple[bool, bool]:
    header, _, body = text.lower().partition("/")
    try:
        return _CANONICALIZATIONS[header], _CANONICALIZATIONS[body or "simple"]
    except KeyError:
        raise TagError("unknown canonicalization") from None


def number_tag(tags: dict[str, str], name: str, syntax: re.Pattern[str] = _NUMBER) -> int | None:
    """None where it is absent. Raises TagError."""
    if name not in tags:
        return None
    if not syntax.fullmatch(tags[name]):
        raise TagError(f"tag {name}= is no number")
    return int(tags[name])


def _expiration(tags: dict[str, str]) -> int | None:
    signed, expires = number_tag(tags, "t"), number_tag(tags, "x")
    if signed is not None and expires is not None and expires <= signed:
        raise TagError("it expires before it was made")
    return expires
