"""The management API: a table of routes, and what holds for each of them.

A request comes over TLS or from this very machine, by HTTP Basic with the account and password of an
administrator (RFC 7617; wrong ones are slowed down as everywhere, see accounts.login), from no other site's
page, with parameters that the route knows and a body it allows, and is answered in time. Whatever is wrong
is told as a Problem; nothing may be cached. Routes of people have another gate (see web_gate).
"""

from __future__ import annotations

import asyncio
import binascii
import ipaddress
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from postier.accounts.login import (
    AppPasswordDemanded,
    Door,
    InvalidCredentials,
    Login,
    LoginBusy,
    TooManyFailures,
)
from postier.accounts.web_sessions import Visit
from postier.base.ids import new_id
from postier.base.log import Log
from postier.http.openapi import openapi_document
from postier.http.parameters import Parameter, read_parameters
from postier.http.problem import COMMON_HEADERS, Problem, problem_response
from postier.net.connection import plain_address
from postier.sasl.api import Credentials
from postier.store.api import Account, AccountId, AccountKind, ModSeq, StoreError

__all__ = [
    "ADMINISTRATOR",
    "API",
    "NOBODY",
    "OPENAPI",
    "ApiRoute",
    "Call",
    "Caller",
    "Gate",
    "Lines",
    "Reply",
    "api_application",
    "door_of",
]

API = "/api/"
"""What the paths of all routes begin with."""
OPENAPI = "/api/v1/openapi.json"
SECONDS = 60.0
"""For the body of a request to come, and again for the answer to begin."""
LONGEST_CREDENTIALS = 4096
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="postier", charset="UTF-8"'}

NOBODY = Account(AccountId(0), "", AccountKind.PERSON, "", 0, 0, 0, ModSeq(0), enabled=False)

log = Log("api")


class Caller(NamedTuple):
    """Who asks: NOBODY where a route is for anybody. `visit`: of who came with a cookie (see web_gate)."""

    account: Account
    visit: Visit | None = None


class Call(NamedTuple):
    """`values`: of the parameters, each. `body`: b"" where the route takes none. `request`: for what only a
    few routes look at."""

    account: Account
    values: dict[str, Any]
    body: bytes = b""
    visit: Visit | None = None
    request: Request | None = None


class Reply(NamedTuple):
    """An answer with a status and fields of its own."""

    value: object
    status: int = 200
    headers: Mapping[str, str] = {}


class Lines(NamedTuple):
    """An answer of any length: JSON, one value on each line."""

    values: AsyncIterator[object]


Gate = Callable[[Request], Awaitable[Caller]]
"""Lets somebody through. Raises Problem, StoreError."""
ADMINISTRATOR = "administrator"


class ApiRoute(NamedTuple):
    """`path` begins with API. `answer` returns a value for JSON, a Reply, or Lines; it raises Problem or
    StoreError. `body`: octets that it takes at most, 0 for none; of what `media` says. `lines`: it answers
    in Lines. `gate`: who may ask."""

    method: str
    path: str
    summary: str
    answer: Callable[[Call], Awaitable[object]]
    parameters: Sequence[Parameter] = ()
    body: int = 0
    lines: bool = False
    gate: str = ADMINISTRATOR
    media: str = "application/octet-stream"


def api_application(
    routes: Sequence[ApiRoute],
    login: Login,
    *,
    seconds: float = SECONDS,
    gates: Mapping[str, Gate] | None = None,
) -> Starlette:
    """Answers whatever begins with API. `gates`: by their names, beside that for administrators."""

    async def describe(_: Call) -> object:
        return document

    async def administrators(request: Request) -> Caller:
        return Caller(await _administrator(request, login))

    every: dict[str, Gate] = {ADMINISTRATOR: administrators, **(gates or {})}
    table = [*routes, ApiRoute("GET", OPENAPI, "This description", describe)]
    document = openapi_document(table)
    application = Starlette(
        routes=[_route(route, every[route.gate], seconds) for route in table],
        exception_handlers={HTTPException: _not_routed},
    )
    application.router.redirect_slashes = False
    return application


_SAID = {404: "there is nothing at this path", 405: "this path does not take this method"}


async def _not_routed(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = _SAID.get(error.status_code, HTTPStatus(error.status_code).phrase)
    return problem_response(Problem(error.status_code, said, error.headers))


def _route(route: ApiRoute, gate: Gate, seconds: float) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            caller = await gate(request)
            values = read_parameters(
                route.parameters, request.path_params, request.query_params.multi_items()
            )
            body = await _body(request, route.body, seconds) if route.body else b""
            async with asyncio.timeout(seconds):
                call = Call(caller.account, values, body, caller.visit, request)
                return _response(await route.answer(call))
        except Problem as problem:
            return problem_response(problem)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except TimeoutError:
            return problem_response(Problem(503, "this took too long; ask for less, or try again later"))
        except StoreError as error:
            log.fault("not answered", why=error, path=route.path)
            return problem_response(Problem(503, "the store cannot do that now"))
        except Exception as error:  # whatever it is, the log knows it and the asker does not
            log.error("not answered", exception=error, path=route.path)
            return problem_response(Problem(500, "a fault of this server; its log has more"))

    return Route(route.path, endpoint, methods=[route.method])


async def _administrator(request: Request, login: Login) -> Account:
    """Raises Problem, StoreError."""
    door = door_of(request, "api")
    if not _is_confidential(request.url.scheme, door.peer):
        raise Problem(403, "passwords are taken over HTTPS only")
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise Problem(403, "pages of other sites may not ask")
    name, password = _credentials(request.headers.get("authorization", ""))
    try:
        account = (await login.authenticate(Credentials("", name, password), door)).account
    except TooManyFailures as error:
        wait = {"Retry-After": str(int(error.wait) + 1)}
        raise Problem(429, "too many failed logins; wait before the next", wait) from None
    except InvalidCredentials as error:
        await asyncio.sleep(error.delay)
        raise Problem(401, "wrong account or password", _CHALLENGE) from None
    except AppPasswordDemanded:
        said = "this account needs an app password that may use the API"
        raise Problem(401, said, _CHALLENGE) from None
    except LoginBusy:
        raise Problem(503, "too many logins at the moment; try again later", {"Retry-After": "5"}) from None
    if not account.administrator:
        raise Problem(403, "this is for administrators")
    return account


def door_of(request: Request, protocol: str) -> Door:
    """Where somebody who asks for this knocks."""
    state = request.scope.get("state", {})
    peer, _ = plain_address(request.client)
    return Door(protocol, peer, state.get("session") or new_id(), state.get("tls", ""))


def _is_confidential(scheme: str, peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:  # what a proxy said is no address
        return False
    return scheme == "https" or address.is_loopback


def _credentials(field: str) -> tuple[str, str]:
    """RFC 7617 2: name and password. Raises Problem."""
    scheme, _, encoded = field.partition(" ")
    if scheme.lower() != "basic" or len(field) > LONGEST_CREDENTIALS:
        raise Problem(401, "log in by HTTP Basic as an administrator", _CHALLENGE)
    try:
        text = b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise Problem(401, "these credentials cannot be read", _CHALLENGE) from None
    name, colon, password = text.partition(":")
    if not colon or not name or not password:
        raise Problem(401, "these credentials cannot be read", _CHALLENGE)
    return name, password


async def _body(request: Request, most: int, seconds: float) -> bytes:
    """Raises Problem, ClientDisconnect."""
    too_large = Problem(413, f"the body is longer than {most} octets")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                body += piece
                if len(body) > most:
                    raise too_large
    except TimeoutError:
        raise Problem(408, "the body did not come in time") from None
    return bytes(body)


def _response(answer: object) -> Response:
    if isinstance(answer, Reply):
        headers = {**answer.headers, **COMMON_HEADERS}
        return Response(_json(answer.value), answer.status, headers, "application/json")
    if isinstance(answer, Lines):
        return StreamingResponse(
            _lines(answer.values), headers=COMMON_HEADERS, media_type="application/jsonl"
        )
    return Response(_json(answer), headers=COMMON_HEADERS, media_type="application/json")


async def _lines(values: AsyncIterator[object]) -> AsyncIterator[bytes]:
    async for value in values:
        yield _json(value) + b"\n"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")
