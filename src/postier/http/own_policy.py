"""The MTA-STS policy of our own domains (RFC 8461 3.2): the document, its id, and who is asked for it.

All domains have the same one: this server is the exchange of each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import blake2b

from starlette.responses import PlainTextResponse, Response

from postier.http.documents import Asked, Document

__all__ = ["PATH", "policy_document", "policy_documents", "policy_id"]

PATH = "/.well-known/mta-sts.txt"
_PREFIX = "mta-sts."


def policy_document(hostname: str, mode: str, max_age: int) -> str:
    """`mode`: "enforce", "testing" or "none"; `max_age` in seconds."""
    lines = ["version: STSv1", f"mode: {mode}", f"mx: {hostname}", f"max_age: {max_age}"]
    return "".join(f"{line}\r\n" for line in lines)


def policy_id(document: str) -> str:
    """Another one exactly when the document is another one."""
    return blake2b(document.encode(), digest_size=16).hexdigest()


def policy_documents(is_ours: Callable[[str], Awaitable[bool]], document: str) -> tuple[Document, ...]:
    """`is_ours`: whether a domain (A-labels) is one of ours; `document`: "" where none is published."""

    async def answer(asked: Asked) -> Response | None:
        domain = asked.host.removeprefix(_PREFIX)
        if domain == asked.host or not document or not await is_ours(domain):
            return None
        return PlainTextResponse(document)

    return (Document(PATH, answer),)
