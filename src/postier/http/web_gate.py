"""Who may ask as a person: with the cookie of a session (accounts.web_sessions), by HTTPS, from our own page.

The cookie goes to this very host only (__Host-), never to scripts, never with what another site began. Beside
that a request that changes something must name our own page as its origin (Origin), and takes nothing but
JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from postier.accounts.web_sessions import SessionEnded, Visit, WebSessions
from postier.http.api import NOBODY, Caller, Gate
from postier.http.openapi import COOKIE
from postier.http.problem import Problem

__all__ = ["ANYBODY", "COOKIE", "PERSON", "WAITING", "cookie_for", "read_json", "web_gates"]

ANYBODY, WAITING, PERSON = "anybody", "waiting", "person"
"""Gates: to begin a session; to prove the second factor; for who is in."""
_SAFE = ("GET", "HEAD")


def cookie_for(token: str) -> dict[str, str]:
    """The field that sets it; "" takes it away."""
    end = "" if token else "; Max-Age=0"
    return {"Set-Cookie": f"{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Strict{end}"}


def web_gates(sessions: WebSessions) -> Mapping[str, Gate]:
    async def anybody(request: Request) -> Caller:
        _require_own_page(request)
        return Caller(NOBODY)

    async def waiting(request: Request) -> Caller:
        _require_own_page(request)
        visit = await _visit(request, sessions)
        return Caller(visit.account, visit)

    async def person(request: Request) -> Caller:
        caller = await waiting(request)
        assert caller.visit is not None
        if caller.visit.waits:
            raise Problem(401, "the second factor is still to be proved")
        return caller

    return {ANYBODY: anybody, WAITING: waiting, PERSON: person}


async def _visit(request: Request, sessions: WebSessions) -> Visit:
    """Raises Problem, StoreError."""
    try:
        return await sessions.find(request.cookies.get(COOKIE, ""))
    except SessionEnded:
        raise Problem(401, "log in first") from None


def _require_own_page(request: Request) -> None:
    """Raises Problem."""
    if request.url.scheme != "https":
        raise Problem(403, "this is for HTTPS only")
    origin = request.headers.get("origin")
    if origin is None and request.method in _SAFE:
        return
    if origin != f"https://{request.headers.get('host', '')}":
        raise Problem(403, "only our own pages may ask")


def read_json(body: bytes, known: Mapping[str, type]) -> dict[str, Any]:
    """The values of one JSON object: those of `known`, or the empty value of their type. Raises Problem."""
    try:
        found = json.loads(body)
        json.dumps(found, ensure_ascii=False).encode()  # half a character (RFC 8259 8.2) is no text
    except (ValueError, RecursionError):
        raise Problem(400, "the body is no JSON") from None
    if not isinstance(found, dict):
        raise Problem(400, "the body is no JSON object")
    for name, value in found.items():
        if name not in known:
            raise Problem(400, "there is no such value; there are: " + ", ".join(known))
        if type(value) is not known[name]:
            raise Problem(400, f"{name}: expected {_WORDS[known[name]]}")
    return {name: found.get(name, kind()) for name, kind in known.items()}


_WORDS = {str: "a text", bool: "true or false", dict: "an object", int: "a number", list: "a list"}
