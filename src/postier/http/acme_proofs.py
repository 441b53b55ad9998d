"""The document by which an authority sees that a name leads to this server (RFC 8555 8.3)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from starlette.responses import Response

from postier.http.documents import Asked, Document

__all__ = ["PATH", "proof_documents"]

PATH = "/.well-known/acme-challenge/"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,600}")


def proof_documents(proof: Callable[[str], Awaitable[str]]) -> tuple[Document, ...]:
    """`proof`: the key authorization for a token, "" for one that nobody waits for."""

    async def answer(asked: Asked) -> Response | None:
        token = asked.values["token"]
        found = await proof(token) if _TOKEN.fullmatch(token) else ""
        return Response(found, media_type="application/octet-stream") if found else None

    return (Document(PATH + "{token}", answer),)
