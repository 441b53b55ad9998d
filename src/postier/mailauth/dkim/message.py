"""A message as signatures see it: its fields, and the hashes of its body while it streams by (RFC 6376 3.7).

DKIM-Signature and ARC-Message-Signature differ in names and in tags, not in what is hashed; so both share
this, and signatures of one canonicalization share its work.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from postier.base.clock import Clock
from postier.dns.api import NotFound, Resolver, TemporaryFailure
from postier.mailauth.dkim.canonical import Canonicalizer, LengthLimitedHash, relaxed_field, simple_field
from postier.mailauth.dkim.key_record import KeyRecord, UnacceptableKey, parse_key_record
from postier.mailauth.dkim.result import Dkim
from postier.mailauth.dkim.signature import ALGORITHMS, Signature, without_signature_data
from postier.mailauth.dkim.tags import TagError
from postier.mailauth.headers import Field, split_fields

__all__ = ["MAX_SECONDS", "Finding", "SignedMessage", "fetch_key", "key_name"]

MAX_SECONDS = 20.0  # for all key records of a message together

Finding = tuple[Dkim, str, bool]
"""The result, why it is no pass, and whether l= leaves the end of the body unsigned."""


class _Fanout:
    """One canonical body for several hashes, which differ in l=."""

    __slots__ = ("hashes",)

    def __init__(self) -> None:
        self.hashes: dict[int | None, LengthLimitedHash] = {}

    def update(self, data: bytes, /) -> None:
        for each in self.hashes.values():
            each.update(data)


class SignedMessage:
    """`expect` each signature, `feed` the body, `finish` it, then `check` them."""

    __slots__ = ("_bodies", "_by_name", "_canonicalizers", "_relaxed", "fields")

    def __init__(self, header_section: bytes) -> None:
        """`header_section`: the fields with CRLF line ends; the empty line may be there or not."""
        self.fields = split_fields(header_section)
        self._bodies: dict[bool, _Fanout] = {}
        self._canonicalizers: list[Canonicalizer] = []
        self._by_name: dict[bytes, list[Field]] | None = None
        self._relaxed: dict[int, bytes] = {}

    def expect(self, signature: Signature) -> None:
        """Before the body comes: its hash will be wanted as `signature` has it."""
        body = self._bodies.get(signature.relaxed_body)
        if body is None:
            body = self._bodies[signature.relaxed_body] = _Fanout()
            self._canonicalizers.append(Canonicalizer(body, relaxed=signature.relaxed_body))
        body.hashes.setdefault(signature.body_length, LengthLimitedHash(signature.body_length))

    def feed(self, chunk: bytes) -> None:
        """The next octets of the body, cut anywhere, after dot-unstuffing."""
        for canonicalizer in self._canonicalizers:
            canonicalizer.feed(chunk)

    def finish(self) -> None:
        """The body is complete. Only the first call counts."""
        for canonicalizer in self._canonicalizers:
            canonicalizer.finish()
        self._canonicalizers = []

    async def check(
        self, field: Field, signature: Signature, resolver: Resolver, clock: Clock, deadline: float
    ) -> Finding:
        """What `signature`, read from `field`, is worth. Its key is only asked for where the body hash holds,
        and before `deadline` (monotonic)."""
        if signature.expires is not None and clock.now() > signature.expires:
            return Dkim.FAIL, "signature expired", False
        body = self._bodies[signature.relaxed_body].hashes[signature.body_length]
        if signature.body_length is not None and signature.body_length > body.length:
            return Dkim.FAIL, "body shorter than l=", False
        if not hmac.compare_digest(body.digest(), signature.body_hash):
            return Dkim.FAIL, "body hash did not verify", False
        if clock.monotonic() > deadline:
            return Dkim.TEMPERROR, "the DNS took too long", False
        try:
            key = await fetch_key(resolver, signature.domain, signature.selector, signature.algorithm)
            if key.strict_identity and signature.identity_domain != signature.domain:
                raise TagError("key not for subdomains")
        except TemporaryFailure:
            return Dkim.TEMPERROR, "no answer for the key", False
        except UnacceptableKey as error:
            return Dkim.POLICY, str(error), False
        except TagError as error:
            return Dkim.PERMERROR, str(error), False
        if not key.verifies(signature.data, self._signed_octets(field, signature)):
            return Dkim.FAIL, "signature did not verify", False
        return Dkim.PASS, "", signature.body_length is not None and body.length > signature.body_length

    def _signed_octets(self, field: Field, signature: Signature) -> bytes:
        """What was signed of the header: the fields of h=, each name from the bottom up, then the signature's
        own field with an empty b= (RFC 6376 3.7, 5.4.2)."""
        canonical = self.relaxed if signature.relaxed_header else _simple
        if self._by_name is None:
            self._by_name = _group(self.fields)
        used: dict[bytes, int] = {}
        lines: list[bytes] = []
        for name in signature.headers:
            instances = self._by_name.get(name, ())
            taken = used.get(name, 0) + 1
            if name == field.name and taken <= len(instances) and instances[-taken] is field:
                taken += 1  # the field being verified is never among those it signs
            used[name] = taken
            if taken <= len(instances):
                lines.append(canonical(instances[-taken]))
        own = without_signature_data(field.raw)
        lines.append(relaxed_field(own) if signature.relaxed_header else simple_field(own))
        return b"\r\n".join(lines)

    def relaxed(self, field: Field) -> bytes:
        """The canonical form of one of `fields`, made once for all signatures."""
        found = self._relaxed.get(field.start)
        if found is None:
            found = self._relaxed[field.start] = relaxed_field(field.raw)
        return found


def _simple(field: Field) -> bytes:
    return simple_field(field.raw)


def _group(fields: Sequence[Field]) -> dict[bytes, list[Field]]:
    by_name: dict[bytes, list[Field]] = {}
    for field in fields:
        by_name.setdefault(field.name, []).append(field)
    return by_name


def key_name(domain: str, selector: str) -> str:
    """RFC 6376 3.6.2.1"""
    return f"{selector}._domainkey.{domain}"


async def fetch_key(resolver: Resolver, domain: str, selector: str, algorithm: str) -> KeyRecord:
    """The key that may have made the signature (RFC 6376 6.1.2). Raises TagError, TemporaryFailure."""
    try:
        texts = (await resolver.txt(key_name(domain, selector))).records
    except NotFound:
        texts = ()
    if not texts:
        raise TagError("no key")
    record = parse_key_record(texts[0])
    if isinstance(record, TagError):
        raise record
    if record.key_type != ALGORITHMS[algorithm]:
        raise TagError("key of another type")
    return record
