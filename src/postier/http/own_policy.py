"""The MTA-STS policy of our own domains (RFC 8461 3.2): the document, its id, and who is asked for it.

All domains have the same one: this server is the exchange of each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import blake2b

__all__ = ["PATH", "OwnPolicy", "policy_document", "policy_id"]

PATH = "/.well-known/mta-sts.txt"
_PREFIX = "mta-sts."


def policy_document(hostname: str, mode: str, max_age: int) -> str:
    """`mode`: "enforce", "testing" or "none"; `max_age` in seconds."""
    lines = ["version: STSv1", f"mode: {mode}", f"mx: {hostname}", f"max_age: {max_age}"]
    return "".join(f"{line}\r\n" for line in lines)


def policy_id(document: str) -> str:
    """Another one exactly when the document is another one."""
    return blake2b(document.encode(), digest_size=16).hexdigest()


class OwnPolicy:
    """`is_ours`: whether a domain (A-labels) is one of ours; `document`: "" where none is published."""

    def __init__(self, is_ours: Callable[[str], Awaitable[bool]], document: str) -> None:
        self._is_ours = is_ours
        self._document = document

    async def answer(self, host: str) -> str | None:
        """The document for who asked `host` (the Host field) for PATH; None where there is none.

        Raises what `is_ours` raises.
        """
        name = host.partition(":")[0].removesuffix(".").lower()
        domain = name.removeprefix(_PREFIX)
        known = self._document and name.startswith(_PREFIX) and name.isascii() and len(name) <= 253
        return self._document if known and await self._is_ours(domain) else None
