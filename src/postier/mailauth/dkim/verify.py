"""Verifying the DKIM signatures of a message while it streams by (RFC 6376 6.1).

    verifier = DkimVerifier(SignedMessage(header_section))
    for chunk in body:
        verifier.feed(chunk)
    results = await verifier.finish(resolver, clock)

Keys are only asked for where the body hash holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from postier.base.clock import Clock
from postier.dns.api import Resolver
from postier.mailauth.dkim.message import MAX_SECONDS, SignedMessage, key_name
from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dkim.signature import Signature, parse_signature
from postier.mailauth.dkim.tags import TagError, parse_tag_list
from postier.mailauth.headers import Field

__all__ = ["DkimVerifier"]

MAX_SIGNATURES = 10


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A DKIM-Signature field: `signature` None where it can't be verified, `problem` says why."""

    field: Field
    tags: dict[str, str]
    signature: Signature | None
    problem: str

    def result(self, result: Dkim, reason: str = "", short: bool = False) -> DkimResult:
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


class DkimVerifier:
    """The signatures of one message; at most 10 of them, from the top, are looked at."""

    def __init__(self, message: SignedMessage) -> None:
        self._message = message
        signed = [field for field in message.fields if field.name == b"dkim-signature"]
        self._candidates = [_read(field) for field in signed[:MAX_SIGNATURES]]
        for candidate in self._candidates:
            if candidate.signature is not None:
                message.expect(candidate.signature)

    @property
    def key_names(self) -> list[str]:
        """Where the keys of the signatures are, for a resolver that asks ahead; each once."""
        found = [each.signature for each in self._candidates if each.signature is not None]
        return list(dict.fromkeys(key_name(signature.domain, signature.selector) for signature in found))

    def feed(self, chunk: bytes) -> None:
        """The next octets of the body, cut anywhere, after dot-unstuffing."""
        self._message.feed(chunk)

    async def finish(self, resolver: Resolver, clock: Clock) -> tuple[DkimResult, ...]:
        """A result for each signature, from the top; empty for a message without one. Call it once."""
        self._message.finish()
        deadline = clock.monotonic() + MAX_SECONDS
        return tuple([await self._verify(each, resolver, clock, deadline) for each in self._candidates])

    async def _verify(
        self, candidate: _Candidate, resolver: Resolver, clock: Clock, deadline: float
    ) -> DkimResult:
        found = candidate.signature
        if found is None:
            return candidate.result(Dkim.PERMERROR, candidate.problem)
        return candidate.result(*await self._message.check(candidate.field, found, resolver, clock, deadline))


def _read(field: Field) -> _Candidate:
    tags: dict[str, str] = {}
    try:
        tags = parse_tag_list(field.value)
        return _Candidate(field, tags, parse_signature(tags), "")
    except TagError as error:
        return _Candidate(field, tags, None, str(error))
