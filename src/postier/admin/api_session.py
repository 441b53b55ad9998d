"""The routes by which a person logs in and out by the web: a password, then the second factor if any."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from postier.accounts.login import InvalidCredentials, LoginRefused, TooManyFailures
from postier.accounts.second_factors import SecondFactors, WrongFactor
from postier.accounts.web_sessions import Proof, SessionEnded, Visit, WebSessions
from postier.http.api import ApiRoute, Call, Reply, door_of
from postier.http.problem import Problem
from postier.http.web_gate import ANYBODY, PERSON, WAITING, cookie_for, read_json

__all__ = ["JSON", "LARGE", "PORTAL", "SMALL", "SessionRoutes", "too_many_codes"]

SMALL, LARGE = 4096, 64 * 1024
"""Octets of a body: words that people type; what an authenticator says."""
PORTAL = "portal"
JSON = "application/json"


class SessionRoutes:
    def __init__(self, sessions: WebSessions, factors: SecondFactors) -> None:
        self._sessions = sessions
        self._factors = factors

    def table(self) -> Sequence[ApiRoute]:
        session = "/api/v1/session"
        return (
            ApiRoute(
                "POST", session, "Log in: the password", self._begin, body=SMALL, gate=ANYBODY, media=JSON
            ),
            ApiRoute(
                "GET", session, "Who is logged in, or what is still to be proved", self._who, gate=WAITING
            ),
            ApiRoute("DELETE", session, "Log out", self._end, gate=WAITING),
            ApiRoute(
                "POST",
                session + "/passkey",
                "What a passkey has to sign, for navigator.credentials.get",
                self._ask,
                gate=WAITING,
            ),
            ApiRoute(
                "POST",
                session + "/second-factor",
                "Prove the second factor: code, recovery_code or passkey",
                self._prove,
                body=LARGE,
                gate=WAITING,
                media=JSON,
            ),
            ApiRoute("GET", "/api/v1/me/sessions", "Where one is logged in", self._list, gate=PERSON),
            ApiRoute("DELETE", "/api/v1/me/sessions", "Log out everywhere else", self._only, gate=PERSON),
        )

    async def _begin(self, call: Call) -> object:
        values = read_json(call.body, {"address": str, "password": str})
        assert call.request is not None
        door, agent = door_of(call.request, PORTAL), call.request.headers.get("user-agent", "")
        try:
            visit = await self._sessions.begin(values["address"], values["password"], door, agent)
        except TooManyFailures as error:
            wait = {"Retry-After": str(int(error.wait) + 1)}
            raise Problem(429, "too many failed logins; wait before the next", wait) from None
        except InvalidCredentials as error:
            await asyncio.sleep(error.delay)
            raise Problem(401, "wrong address or password") from None
        except LoginRefused as error:
            raise Problem(403, str(error)) from None
        return Reply(await self._state(visit), headers=cookie_for(visit.token))

    async def _who(self, call: Call) -> object:
        return await self._state(_visit(call))

    async def _state(self, visit: Visit) -> dict[str, object]:
        if not visit.waits:
            return {"state": "in", "address": visit.account.name}
        factors = {factor.kind for factor in await self._factors.factors(visit.account)}
        return {"state": "second factor", "factors": sorted(factors | {"recovery code"})}

    async def _end(self, call: Call) -> object:
        await self._sessions.end(_visit(call).session)
        return Reply({"state": "out"}, headers=cookie_for(""))

    async def _ask(self, call: Call) -> object:
        asked = await self._sessions.ask_for_passkey(_visit(call))
        if asked is None:
            raise Problem(409, "there is no passkey")
        return asked.options

    async def _prove(self, call: Call) -> object:
        values = read_json(call.body, {"code": str, "recovery_code": str, "passkey": dict})
        visit = _visit(call)
        if not visit.waits:
            raise Problem(409, "nothing is left to be proved")
        if sum(map(bool, values.values())) != 1:
            raise Problem(400, "give one of: code, recovery_code, passkey")
        assert call.request is not None
        proof = Proof(values["code"], values["recovery_code"], values["passkey"] or None)
        try:
            visit = await self._sessions.complete(visit, proof, door_of(call.request, PORTAL))
        except WrongFactor:
            raise Problem(401, "that is not right") from None
        except SessionEnded:
            raise Problem(401, "log in first") from None
        except TooManyFailures as error:
            raise too_many_codes(error) from None
        return Reply(await self._state(visit), headers=cookie_for(visit.token))

    async def _list(self, call: Call) -> object:
        here = _visit(call).session.session_id
        return [
            {
                "session": one.session_id,
                "here": one.session_id == here,
                "since": one.created,
                "last_seen": one.last_seen,
                "peer": one.peer,
                "program": one.agent,
            }
            for one in await self._sessions.all_of(call.account)
        ]

    async def _only(self, call: Call) -> object:
        await self._sessions.keep_only(_visit(call))
        return {"state": "in"}


def too_many_codes(error: TooManyFailures) -> Problem:
    wait = {"Retry-After": str(int(error.wait) + 1)}
    return Problem(429, "too many wrong codes; wait, or use a passkey or a recovery code", wait)


def _visit(call: Call) -> Visit:
    """Of a route whose gate lets nobody else through."""
    found: Any = call.visit
    assert isinstance(found, Visit)
    return found
