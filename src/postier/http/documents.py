"""The public documents: one table for HTTP and HTTPS alike, and the application that serves it.

A row is a Document: a path, and a function from what was asked to an answer. Passwords have no place in any
of them: what wants one is a route of the API (see api.py), which insists on HTTPS.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Scope

from postier.base.log import Log
from postier.http.api import API

__all__ = ["Asked", "Document", "public_application"]

SECONDS = 30.0
"""For a body to come and an answer to be made."""

log = Log("http")
_NAME = re.compile(r"[a-z0-9._-]{1,253}")


@dataclass(frozen=True, slots=True)
class Asked:
    """`host`: of the Host field, lower case, without port and final dot; "" where that can be no name.
    `body`: b"" for a row that takes none."""

    request: Request
    host: str
    body: bytes = b""

    @property
    def values(self) -> dict[str, str]:
        """What stands for each name in braces of the path."""
        return {name: str(value) for name, value in self.request.path_params.items()}

    @property
    def is_secure(self) -> bool:
        """Whether it was asked over TLS."""
        return self.request.url.scheme == "https"

    def query(self, name: str) -> str:
        """The first value of a parameter, whose name counts in any case; "" for none."""
        given = self.request.query_params.multi_items()
        return next((value for each, value in given if each.lower() == name.lower()), "")


class Document(NamedTuple):
    """`path` may have names in braces, as Starlette's do; with `any_case` it is written in lower case and
    asked for in any. `answer` returns None where there is nothing; whatever it raises is told as 503, and
    the log knows why. `body`: octets that it takes at most, 0 for none."""

    path: str
    answer: Callable[[Asked], Awaitable[Response | None]]
    methods: Sequence[str] = ("GET",)
    any_case: bool = False
    body: int = 0


def public_application(documents: Sequence[Document], api: ASGIApp | None = None) -> Starlette:
    """Answers for each of `documents`, and lets `api` answer for what begins with API."""
    routes = [(_AnyCase if row.any_case else Route)(row.path, _Endpoint(row)) for row in documents]
    management = [] if api is None else [Route(API + "{path:path}", api)]
    application = Starlette(routes=[*routes, *management])
    application.router.redirect_slashes = False
    return application


class _AnyCase(Route):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches({**scope, "path": scope["path"].lower()})


class _Endpoint:
    """An ASGI application: Starlette lets such a one look at the method by itself."""

    def __init__(self, row: Document) -> None:
        self._row = row
        self._methods = {*row.methods, "HEAD"} if "GET" in row.methods else {*row.methods}

    async def __call__(self, scope: Scope, receive: object, send: object) -> None:
        request = Request(scope, receive, send)  # type: ignore[arg-type]
        response = await self._answer(request)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        await response(scope, receive, send)  # type: ignore[arg-type]

    async def _answer(self, request: Request) -> Response:
        if request.method not in self._methods:
            allowed = ", ".join(sorted(self._methods))
            return PlainTextResponse("this path does not take this method\r\n", 405, {"Allow": allowed})
        try:
            async with asyncio.timeout(SECONDS):
                body = await _body(request, self._row.body)
                if body is None:
                    return PlainTextResponse("the body is too long\r\n", 413)
                found = await self._row.answer(Asked(request, asked_host(request), body))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except Exception as error:  # whatever the store has, the asker learns only that there is none now
            log.error("not served", exception=error, path=self._row.path)
            return PlainTextResponse("not now, try again later\r\n", 503)
        return PlainTextResponse("nothing here\r\n", 404) if found is None else found


async def _body(request: Request, most: int) -> bytes | None:
    """None for a longer one. Raises ClientDisconnect, TimeoutError."""
    if not most:
        return b""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            return None
    return bytes(body)


def asked_host(request: Request) -> str:
    """The name of the Host field, lower case, without port and final dot; "" where it can be none."""
    name = request.headers.get("host", "").partition(":")[0].removesuffix(".").lower()
    return name if _NAME.fullmatch(name) else ""
