"""Everything that reads the body of a message from outside, in one pass: its DKIM signatures and its ARC."""

from __future__ import annotations

from postier.base.clock import Clock
from postier.dns.api import Resolver
from postier.mailauth.arc import ArcResult, ArcVerifier
from postier.mailauth.dkim.message import SignedMessage
from postier.mailauth.dkim.result import DkimResult
from postier.mailauth.dkim.verify import DkimVerifier

__all__ = ["MessageVerifier"]


class MessageVerifier:
    """`feed` the body, then `finish`."""

    __slots__ = ("_arc", "_dkim", "_message")

    def __init__(self, header_section: bytes) -> None:
        self._message = SignedMessage(header_section)
        self._dkim = DkimVerifier(self._message)
        self._arc = ArcVerifier(self._message)

    @property
    def key_names(self) -> list[str]:
        """Where the keys are, those of DKIM first, for a resolver that asks ahead; each once."""
        return list(dict.fromkeys([*self._dkim.key_names, *self._arc.key_names]))

    def feed(self, chunk: bytes) -> None:
        """The next octets of the body, cut anywhere, after dot-unstuffing."""
        self._message.feed(chunk)

    async def finish(self, resolver: Resolver, clock: Clock) -> tuple[tuple[DkimResult, ...], ArcResult]:
        """Call it once."""
        return await self._dkim.finish(resolver, clock), await self._arc.finish(resolver, clock)

    @staticmethod
    def has_work(header_section: bytes) -> bool:
        """Whether the message may have a signature; a message without one needs no verifier."""
        lowered = header_section.lower()
        return b"dkim-signature" in lowered or b"arc-" in lowered
