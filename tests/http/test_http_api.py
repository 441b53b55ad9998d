"""The management API: who is let in, what is refused and how, and that its description is true."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.applications import Starlette

from postier.accounts.login import SCOPES, Login
from postier.accounts.password import PasswordVerifier, ProofTable, hash_password
from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.http.api import OPENAPI, ApiRoute, Call, Lines, api_application
from postier.http.documents import public_application
from postier.http.parameters import Choice, DomainName, Flag, Parameter, Text, Whole
from postier.net.tls import verifying_client_context
from postier.store.api import AccountKind, StoreError, Tx
from postier.store.sqlite import open_sqlite
from postier.testing.web import make_certificate, serving, talk

LIMIT = 1000


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def echo(call: Call) -> object:
    return {"who": call.account.name, **call.values, "octets": len(call.body)}


async def some(call: Call) -> object:
    async def values() -> AsyncIterator[object]:
        for number in range(3):
            yield {"number": number}
        if call.values["breaks"]:
            raise StoreError("/secret/path")

    return Lines(values())


async def fails(_: Call) -> object:
    raise StoreError("/secret/path")


async def breaks(_: Call) -> object:
    raise RuntimeError("/secret/path")


async def hangs(_: Call) -> object:
    await asyncio.sleep(60)
    return None


ROUTES = (
    ApiRoute(
        "GET",
        "/api/v1/{domain}/echo",
        "Says it again",
        echo,
        (
            Parameter("domain", DomainName(), None, "a domain", in_path=True),
            Parameter("days", Whole(1, 30), 7, "days"),
            Parameter("strict", Flag(), False, "strict"),
            Parameter("policy", Choice(("none", "reject")), "none", "policy"),
            Parameter("spf", Text(20, "v=spf1"), "", "record"),
        ),
    ),
    ApiRoute("POST", "/api/v1/take", "Takes", echo, body=LIMIT),
    ApiRoute("GET", "/api/v1/some", "Some", some, (Parameter("breaks", Flag(), False, ""),), lines=True),
    ApiRoute("GET", "/api/v1/fails", "Fails", fails),
    ApiRoute("GET", "/api/v1/breaks", "Breaks", breaks),
    ApiRoute("GET", "/api/v1/hangs", "Hangs", hangs),
)
ECHO = "/api/v1/a.example/echo"


class Client:
    """Asks the application itself, as if from `peer` by `scheme`."""

    def __init__(self, application: Starlette) -> None:
        self.application = application

    async def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        who: str = "admin@b.example:right",
        scheme: str = "https",
        peer: str = "192.0.2.7",
        body: tuple[bytes, ...] = (b"",),
        **fields: str,
    ) -> Answer:
        headers = {"host": "mail.b.example", **fields}
        if who:
            headers.setdefault("authorization", "Basic " + b64encode(who.encode()).decode())
        pieces = list(body)
        started: dict[str, Any] = {}
        sent = b""

        async def receive() -> dict[str, Any]:
            if not pieces:
                await asyncio.sleep(60)
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces) or body == ()}

        async def send(message: Any) -> None:
            nonlocal sent
            started.update(message)
            sent += message.get("body", b"")

        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": scheme,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": (peer, 1),
            "server": ("192.0.2.1", 443),
        }
        await self.application(scope, receive, send)
        answer = Answer(
            started["status"], {name.decode(): value.decode() for name, value in started["headers"]}, sent
        )
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers
        if answer.status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json.keys() == {"type", "title", "status", "detail"}
            assert answer.json["status"] == answer.status
            assert b"secret" not in answer.body
        return answer


def on_api(tmp_path: Path, work: Callable[[Client], Awaitable[None]], *, seconds: float = 5.0) -> None:
    async def whole() -> None:
        clock = SystemClock()
        store = await open_sqlite(
            tmp_path / "postier.db",
            blobs=LocalBlobs(tmp_path, "test"),
            bus=MemoryBus(),
            clock=clock,
            owner="test",
        )
        verifier = PasswordVerifier(ProofTable(), threads=1)
        try:

            async def make(tx: Tx) -> None:
                admin = await tx.add_account("admin@b.example", AccountKind.PERSON, hash_password("right"))
                await tx.set_administrator(admin, True)
                await tx.add_account("a@b.example", AccountKind.PERSON, hash_password("right"))

            await store.transact(make)
            await work(Client(api_application(ROUTES, Login(store, clock, verifier), seconds=seconds)))
        finally:
            verifier.close()
            await store.close()

    asyncio.run(whole())


def test_an_administrator_is_answered(tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        answer = await client.ask("/api/v1/Bü.example/echo?days=30&strict=true")
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json == {
            "who": "admin@b.example",
            "domain": "xn--b-eha.example",
            "days": 30,
            "strict": True,
            "policy": "none",
            "spf": "",
            "octets": 0,
        }
        for peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
            assert (await client.ask(ECHO, scheme="http", peer=peer)).status == 200
        lines = (await client.ask("/api/v1/some")).body.splitlines()
        assert [json.loads(line) for line in lines] == [{"number": number} for number in range(3)]

    on_api(tmp_path, work)


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"who": ""}, 401, "log in by HTTP Basic"),
        ({"who": "admin@b.example:wrong"}, 401, "wrong account or password"),
        ({"who": "nobody@b.example:right"}, 401, "wrong account or password"),
        ({"who": "a@b.example:right"}, 403, "for administrators"),
        ({"who": "admin@b.example"}, 401, "cannot be read"),
        ({"authorization": "Basic %%%"}, 401, "cannot be read"),
        ({"authorization": "Basic /w=="}, 401, "cannot be read"),
        ({"authorization": "Bearer abc"}, 401, "log in by HTTP Basic"),
        ({"authorization": "Basic " + "QUJD" * 2000}, 401, "log in by HTTP Basic"),
        ({"scheme": "http"}, 403, "HTTPS only"),
        ({"scheme": "https", "peer": "unknown"}, 403, "HTTPS only"),
        ({"origin": "https://evil.example"}, 403, "other sites"),
        ({"origin": "null"}, 403, "other sites"),
    ],
)
def test_nobody_else_is(tmp_path: Path, asked: dict[str, Any], status: int, said: str) -> None:
    async def work(client: Client) -> None:
        answer = await client.ask(ECHO, **asked)
        assert answer.status == status
        assert said in answer.json["detail"]
        assert ("www-authenticate" in answer.headers) == (status == 401)

    on_api(tmp_path, work)


def test_a_page_of_our_own_may_ask(tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        assert (await client.ask(ECHO, origin="https://mail.b.example")).status == 200

    on_api(tmp_path, work)


def test_who_guesses_has_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postier.accounts.backoff.failure_delay", lambda failures: 0.0)

    async def work(client: Client) -> None:
        for number in range(SCOPES[0].free):
            assert (await client.ask(ECHO, who=f"admin@b.example:wrong{number}")).status == 401
        answer = await client.ask(ECHO)
        assert answer.status == 429
        assert 0 < int(answer.headers["retry-after"]) <= 61
        assert (await client.ask(ECHO, peer="192.0.2.8")).status == 200

    on_api(tmp_path, work)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?days=0", "days: expected a number from 1 to 30"),
        ("?days=31", "days: expected a number from 1 to 30"),
        ("?days=" + "9" * 5000, "days: expected a number from 1 to 30"),
        ("?days=", "days: expected a number from 1 to 30"),
        ("?days=%C2%B2", "days: expected a number from 1 to 30"),
        ("?strict=yes", "strict: expected true or false"),
        ("?policy=maybe", "policy: expected one of none, reject"),
        ("?spf=ip4", 'spf: expected a text that begins with "v=spf1"'),
        ("?spf=v=spf1" + "x" * 15, "spf: expected at most 20 characters of printable ASCII"),
        ("?spf=v=spf1%0A", "spf: expected at most 20 characters of printable ASCII"),
        ("?day=1", "there is no such parameter; there are: days, strict, policy, spf"),
        ("?domain=b.example", "there is no such parameter; there are: days, strict, policy, spf"),
        ("?days=1&days=2", "days is given twice"),
    ],
)
def test_parameters_that_cannot_be(tmp_path: Path, query: str, said: str) -> None:
    async def work(client: Client) -> None:
        answer = await client.ask(ECHO + query)
        assert (answer.status, answer.json["detail"]) == (400, said)

    on_api(tmp_path, work)


def test_a_path_that_cannot_be(tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        answer = await client.ask("/api/v1/a..b/echo")
        assert (answer.status, answer.json["detail"]) == (400, "domain: expected the name of a domain")
        for path in ("/api/", "/api/v2/x", "/api/v1/some/", "/api/v1/a/b/echo", "/api/../metrics"):
            assert (await client.ask(path)).status == 404
        for method in ("POST", "OPTIONS", "DELETE", "TRACE"):
            answer = await client.ask(ECHO, method)
            assert answer.status == 405
            assert "GET" in answer.headers["allow"]

    on_api(tmp_path, work)


def test_a_body_has_its_limit(tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        at = await client.ask("/api/v1/take", "POST", body=(b"x" * LIMIT,))
        assert (at.status, at.json["octets"]) == (200, LIMIT)
        past = await client.ask("/api/v1/take", "POST", body=(b"x" * LIMIT, b"x"))
        assert (past.status, past.json["detail"]) == (413, f"the body is longer than {LIMIT} octets")
        said = {"content-length": str(LIMIT + 1)}
        assert (await client.ask("/api/v1/take", "POST", body=(), **said)).status == 413
        said = {"content-length": "9" * 4000}
        assert (await client.ask("/api/v1/take", "POST", body=(), **said)).status == 413

    on_api(tmp_path, work)


def test_everything_has_its_time(tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        assert (await client.ask("/api/v1/take", "POST", body=())).status == 408
        assert (await client.ask("/api/v1/hangs")).status == 503

    on_api(tmp_path, work, seconds=0.05)


def test_faults_say_nothing_of_the_inside(tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        assert (await client.ask("/api/v1/fails")).status == 503
        assert (await client.ask("/api/v1/breaks")).status == 500

    on_api(tmp_path, work)


def test_the_description_has_every_route(tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        assert (await client.ask(OPENAPI, who="")).status == 401
        document = (await client.ask(OPENAPI)).json
        assert document["openapi"] == "3.1.0"
        told = {(method.upper(), path) for path, found in document["paths"].items() for method in found}
        assert told == {(route.method, route.path) for route in ROUTES} | {("GET", OPENAPI)}
        operations = [one for found in document["paths"].values() for one in found.values()]
        assert len({one["operationId"] for one in operations}) == len(operations)
        parameters = document["paths"]["/api/v1/{domain}/echo"]["get"]["parameters"]
        assert [(one["name"], one["in"], one["required"]) for one in parameters][:2] == [
            ("domain", "path", True),
            ("days", "query", False),
        ]
        assert parameters[1]["schema"] == {"type": "integer", "minimum": 1, "maximum": 30, "default": 7}
        assert "requestBody" in document["paths"]["/api/v1/take"]["post"]

    on_api(tmp_path, work)


LOGIN = b"Host: mail.b.example\r\nAuthorization: Basic " + b64encode(b"admin@b.example:right") + b"\r\n"
LOGIN += b"Connection: close\r\n"


def over_https(tmp_path: Path, *requests: tuple[bytes, ...], seconds: float = 5.0) -> list[bytes]:
    """What comes back for each, on connections of their own."""
    make_certificate(tmp_path, ["mail.b.example"])
    context = verifying_client_context(tmp_path / "ca.pem")
    answers = []

    async def work(client: Client) -> None:
        async def ask_all(port: int, _: object) -> None:
            for pieces in requests:
                answers.append(await talk(port, *pieces, context=context, name="mail.b.example"))

        await serving(public_application((), client.application), ask_all, folder=tmp_path)

    on_api(tmp_path, work, seconds=seconds)
    return answers


def test_it_is_served_over_https(tmp_path: Path) -> None:
    get, post = b"GET /api/v1/a.example/echo?days=9 HTTP/1.1\r\n", b"POST /api/v1/take HTTP/1.1\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n"
    found, head, some, cut, taken, large, other = over_https(
        tmp_path,
        (get + LOGIN + b"\r\n",),
        (get.replace(b"GET", b"HEAD") + LOGIN + b"\r\n",),
        (b"GET /api/v1/some HTTP/1.1\r\n" + LOGIN + b"\r\n",),
        (b"GET /api/v1/some?breaks=true HTTP/1.1\r\n" + LOGIN + b"\r\n",),
        (post + LOGIN + chunked, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n"),
        (post + LOGIN + b"Content-Length: 2000\r\nExpect: 100-continue\r\n\r\n",),
        (b"GET /metrics HTTP/1.1\r\n" + LOGIN + b"\r\n",),
    )
    assert found.startswith(b"HTTP/1.1 200")
    assert b"connection: close\r\n" in found.lower()
    assert json.loads(found.partition(b"\r\n\r\n")[2])["days"] == 9
    assert head.startswith(b"HTTP/1.1 200")
    assert head.endswith(b"\r\n\r\n")
    assert some.endswith(b'{"number": 2}\n\r\n0\r\n\r\n')
    assert b'{"number": 2}' in cut
    assert not cut.endswith(b"0\r\n\r\n")
    assert json.loads(taken.partition(b"\r\n\r\n")[2])["octets"] == 5
    assert large.startswith(b"HTTP/1.1 413")
    assert other.startswith(b"HTTP/1.1 404")


def test_a_client_that_waits_with_its_body_is_told_to_go_on(tmp_path: Path) -> None:
    ask = b"POST /api/v1/take HTTP/1.1\r\n" + LOGIN + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    (answer,) = over_https(tmp_path, (ask, b"ab"))
    assert b'"octets": 2' in answer


def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    ask = b"POST /api/v1/take HTTP/1.1\r\n" + LOGIN + b"Content-Length: 9\r\n\r\n"
    (answer,) = over_https(tmp_path, (ask, b"ab"), seconds=0.1)
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_broken_body_is_no_fault(tmp_path: Path) -> None:
    ask = b"POST /api/v1/take HTTP/1.1\r\n" + LOGIN + b"Transfer-Encoding: chunked\r\n\r\n"
    (answer,) = over_https(tmp_path, (ask, b"zz\r\n"))
    assert b"200" not in answer.partition(b"\r\n")[0]


def test_over_http_it_is_for_this_machine(tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        async def ask_all(port: int, _: object) -> None:
            for fields, status in (
                (b"", b"200"),
                (b"X-Forwarded-For: 192.0.2.7\r\n", b"403"),
                (b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n", b"200"),
                (b"X-Forwarded-For: 127.0.0.1, 192.0.2.7, 127.0.0.1\r\n", b"403"),
                (b"X-Forwarded-For: who\r\nX-Forwarded-Proto: https\r\n", b"403"),
            ):
                answer = await talk(port, f"GET {ECHO} HTTP/1.1\r\n".encode() + LOGIN + fields + b"\r\n")
                assert answer.split()[1] == status

        await serving(public_application((), client.application), ask_all)

    on_api(tmp_path, work)
