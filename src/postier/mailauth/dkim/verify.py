"""Verifying the DKIM signatures of a message while it streams by (RFC 6376 6.1).

    verifier = DkimVerifier(header_section)
    for chunk in body:
        verifier.feed(chunk)
    results = await verifier.finish(resolver, clock)

Signatures that share a canonicalization share its work. Keys are only asked for where the body hash holds.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from postier.base.clock import Clock
from postier.dns.api import NotFound, Resolver, TemporaryFailure
from postier.mailauth.dkim.canonical import Canonicalizer, LengthLimitedHash, relaxed_field, simple_field
from postier.mailauth.dkim.key_record import KeyRecord, UnacceptableKey, parse_key_record
from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dkim.signature import ALGORITHMS, Signature, parse_signature, without_signature_data
from postier.mailauth.dkim.tags import TagError, parse_tag_list
from postier.mailauth.headers import Field, split_fields

__all__ = ["DkimVerifier"]

MAX_SIGNATURES = 10
MAX_SECONDS = 20.0  # for all key records of a message together


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A DKIM-Signature field: `signature` None where it can't be verified, `problem` says why."""

    field: Field
    tags: dict[str, str]
    signature: Signature | None
    problem: str

    def result(self, result: Dkim, reason: str = "", *, short: bool = False) -> DkimResult:
        found = self.signature
        return DkimResult(
            result,
            domain=found.domain if found else self.tags.get("d", "").lower(),
            selector=found.selector if found else self.tags.get("s", ""),
            identity=found.identity if found else self.tags.get("i", ""),
            algorithm=self.tags.get("a", ""),
            reason=reason,
            body_length_short=short,
            signature="".join(self.tags.get("b", "")[:32].split())[:8],
        )


class _Fanout:
    """One canonical body for several hashes, which differ in l=."""

    __slots__ = ("hashes",)

    def __init__(self) -> None:
        self.hashes: dict[int | None, LengthLimitedHash] = {}

    def update(self, data: bytes, /) -> None:
        for each in self.hashes.values():
            each.update(data)


class DkimVerifier:
    """The signatures of one message; at most 10 of them, from the top, are looked at."""

    def __init__(self, header_section: bytes) -> None:
        """`header_section`: the fields with CRLF line ends; the empty line may be there or not."""
        self._fields = split_fields(header_section)
        signed = [field for field in self._fields if field.name == b"dkim-signature"]
        self._candidates = [_read(field) for field in signed[:MAX_SIGNATURES]]
        self._bodies: dict[bool, _Fanout] = {}
        for candidate in self._candidates:
            if found := candidate.signature:
                hashes = self._bodies.setdefault(found.relaxed_body, _Fanout()).hashes
                hashes.setdefault(found.body_length, LengthLimitedHash(found.body_length))
        self._canonicalizers = [
            Canonicalizer(body, relaxed=relaxed) for relaxed, body in self._bodies.items()
        ]
        self._by_name: dict[bytes, list[Field]] | None = None

    @property
    def key_names(self) -> list[str]:
        """Where the keys of the signatures are, for a resolver that asks ahead; each once."""
        found = [each.signature for each in self._candidates if each.signature is not None]
        return list(dict.fromkeys(_key_name(signature) for signature in found))

    def feed(self, chunk: bytes) -> None:
        """The next octets of the body, cut anywhere, after dot-unstuffing."""
        for canonicalizer in self._canonicalizers:
            canonicalizer.feed(chunk)

    async def finish(self, resolver: Resolver, clock: Clock) -> tuple[DkimResult, ...]:
        """A result for each signature, from the top; empty for a message without one. Call it once."""
        for canonicalizer in self._canonicalizers:
            canonicalizer.finish()
        deadline = clock.monotonic() + MAX_SECONDS
        return tuple([await self._verify(each, resolver, clock, deadline) for each in self._candidates])

    async def _verify(
        self, candidate: _Candidate, resolver: Resolver, clock: Clock, deadline: float
    ) -> DkimResult:
        found = candidate.signature
        if found is None:
            return candidate.result(Dkim.PERMERROR, candidate.problem)
        if found.expires is not None and clock.now() > found.expires:
            return candidate.result(Dkim.FAIL, "signature expired")
        body = self._bodies[found.relaxed_body].hashes[found.body_length]
        if found.body_length is not None and found.body_length > body.length:
            return candidate.result(Dkim.FAIL, "body shorter than l=")
        if not hmac.compare_digest(body.digest(), found.body_hash):
            return candidate.result(Dkim.FAIL, "body hash did not verify")
        if clock.monotonic() > deadline:
            return candidate.result(Dkim.TEMPERROR, "the DNS took too long")
        try:
            key = await _fetch_key(resolver, found)
        except TemporaryFailure:
            return candidate.result(Dkim.TEMPERROR, "no answer for the key")
        except UnacceptableKey as error:
            return candidate.result(Dkim.POLICY, str(error))
        except TagError as error:
            return candidate.result(Dkim.PERMERROR, str(error))
        if not key.verifies(found.data, self._signed_octets(candidate.field, found)):
            return candidate.result(Dkim.FAIL, "signature did not verify")
        return candidate.result(
            Dkim.PASS, short=found.body_length is not None and body.length > found.body_length
        )

    def _signed_octets(self, field: Field, signature: Signature) -> bytes:
        """What was signed of the header: the fields of h=, each name from the bottom up, then the signature's
        own field with an empty b= (RFC 6376 3.7, 5.4.2)."""
        canonical = relaxed_field if signature.relaxed_header else simple_field
        if self._by_name is None:
            self._by_name = _group(self._fields)
        used: dict[bytes, int] = {}
        lines: list[bytes] = []
        for name in signature.headers:
            instances = self._by_name.get(name, ())
            taken = used.get(name, 0) + 1
            if name == b"dkim-signature" and taken <= len(instances) and instances[-taken] is field:
                taken += 1  # the field being verified is never among those it signs
            used[name] = taken
            if taken <= len(instances):
                lines.append(canonical(instances[-taken].raw))
        lines.append(canonical(without_signature_data(field.raw)))
        return b"\r\n".join(lines)


def _group(fields: Iterable[Field]) -> dict[bytes, list[Field]]:
    by_name: dict[bytes, list[Field]] = {}
    for field in fields:
        by_name.setdefault(field.name, []).append(field)
    return by_name


def _read(field: Field) -> _Candidate:
    tags: dict[str, str] = {}
    try:
        tags = parse_tag_list(field.value)
        return _Candidate(field, tags, parse_signature(tags), "")
    except TagError as error:
        return _Candidate(field, tags, None, str(error))


def _key_name(signature: Signature) -> str:
    """RFC 6376 3.6.2.1"""
    return f"{signature.selector}._domainkey.{signature.domain}"


async def _fetch_key(resolver: Resolver, signature: Signature) -> KeyRecord:
    """The key that may have made the signature (RFC 6376 6.1.2). Raises TagError, TemporaryFailure."""
    try:
        texts = (await resolver.txt(_key_name(signature))).records
    except NotFound:
        texts = ()
    if not texts:
        raise TagError("no key")
    record = parse_key_record(texts[0])
    if isinstance(record, TagError):
        raise record
    if record.key_type != ALGORITHMS[signature.algorithm]:
        raise TagError("key of another type")
    if record.strict_identity and signature.identity_domain != signature.domain:
        raise TagError("key not for subdomains")
    return record
