"""HTTP/1.1 on the driver: one request after the other, what a proxy says, and what is no HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from postier.http.core import LONGEST_HEAD
from postier.http.documents import Asked, Document, public_application
from postier.http.server import REQUESTS, Patience
from postier.net.server import Server
from postier.testing.web import ask, make_certificate, serving, talk

LIMIT = 20


async def echo(asked: Asked) -> Response:
    request: Request = asked.request
    client = request.client.host if request.client else ""
    return PlainTextResponse(
        f"{request.method} {asked.host} {request.url.scheme} {client} {asked.query('who')} {asked.body!r}"
    )


async def nothing(_: Asked) -> None:
    return None


async def breaks(_: Asked) -> Response:
    raise RuntimeError("/secret/path")


async def token(asked: Asked) -> Response:
    return PlainTextResponse(asked.values["token"])


APPLICATION = public_application(
    (
        Document("/echo", echo),
        Document("/any/case.xml", echo, methods=("GET", "POST"), any_case=True, body=LIMIT),
        Document("/nothing", nothing),
        Document("/breaks", breaks),
        Document("/token/{token}", token),
    )
)
CLOSE = b"Host: a.example\r\nConnection: close\r\n\r\n"
GET = b"GET /echo HTTP/1.1\r\n"


def test_an_answer_and_its_fields() -> None:
    head, _, body = ask(APPLICATION, GET + CLOSE).partition(b"\r\n\r\n")
    assert body == b"GET a.example http 127.0.0.1  b''"
    lines = head.lower().split(b"\r\n")
    assert lines[0].startswith(b"http/1.1 200")
    names = [line.partition(b":")[0] for line in lines[1:]]
    assert sorted(names) == [
        b"connection", b"content-length", b"content-type", b"date", b"x-content-type-options"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        (b"HEAD /echo HTTP/1.1\r\n", b"200", b""),
        (b"GET /echo?WHO=%C3%A9&who=2 HTTP/1.1\r\n", b"200", "GET a.example http 127.0.0.1 é b''".encode()),
        (b"GET http://other.example/echo HTTP/1.1\r\n", b"200", b"GET a.example http 127.0.0.1  b''"),
        (b"GET /nothing HTTP/1.1\r\n", b"404", b"nothing here\r\n"),
        (b"GET /elsewhere HTTP/1.1\r\n", b"404", b"Not Found"),
        (b"GET /ECHO HTTP/1.1\r\n", b"404", b"Not Found"),
        (b"GET /Any/CASE.xml HTTP/1.1\r\n", b"200", b"GET a.example http 127.0.0.1  b''"),
        (b"GET /token/Ab-_9 HTTP/1.1\r\n", b"200", b"Ab-_9"),
        (b"GET /token/a/b HTTP/1.1\r\n", b"404", b"Not Found"),
        (b"GET /token/a%2Fb HTTP/1.1\r\n", b"404", b"Not Found"),
        (b"GET /breaks HTTP/1.1\r\n", b"503", b"not now, try again later\r\n"),
        (b"DELETE /echo HTTP/1.1\r\n", b"405", b"this path does not take this method\r\n"),
        (b"OPTIONS * HTTP/1.1\r\n", b"404", b"Not Found"),
        (b"CONNECT a.example:25 HTTP/1.1\r\n", b"404", b"Not Found"),
    ],
)
def test_requests_and_their_answers(request_: bytes, status: bytes, body: bytes) -> None:
    answer = ask(APPLICATION, request_ + CLOSE)
    assert (answer.split()[1], answer.partition(b"\r\n\r\n")[2]) == (status, body)


def test_how_it_was_cut_into_packets_changes_nothing() -> None:
    request = (
        b"POST /ANY/case.XML HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + CLOSE + b"3\r\nabc\r\n0\r\n\r\n"
    )
    whole = ask(APPLICATION, request)
    assert whole.endswith(b"b'abc'")
    assert ask(APPLICATION, *(bytes([octet]) for octet in request))[-20:] == whole[-20:]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"Content-Length: 20\r\n\r\n" + b"x" * 20, b"200"),
        (b"Content-Length: 21\r\n\r\n" + b"x" * 21, b"413"),
        (b"Content-Length: 99999999999999999999\r\n\r\nabc", b"413"),
        (b"Transfer-Encoding: chunked\r\n\r\nff\r\n" + b"x" * 255 + b"\r\n", b"413"),
    ],
)
def test_a_body_has_its_limit(body: bytes, status: bytes) -> None:
    request = b"POST /any/case.xml HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + body
    if b"999" in body:
        request += b"x" * LIMIT
    assert ask(APPLICATION, request).split()[1] == status


def test_one_request_after_the_other_on_one_connection() -> None:
    stay = b"Host: a.example\r\n\r\n"
    post = b"POST /any/case.xml HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
    together = ask(APPLICATION, GET + stay + post + b"HEAD /echo HTTP/1.1\r\n" + stay + GET + CLOSE)
    assert together.count(b"HTTP/1.1 200") == 4
    assert together.lower().count(b"connection: close") == 1
    assert ask(APPLICATION, GET.replace(b"1.1", b"1.0") + b"\r\n" + GET + CLOSE).count(b"HTTP/1.1 200") == 1


def test_whose_body_was_not_read_is_the_last_one() -> None:
    inside = GET + b"Host: a.example\r\n\r\n"
    request = GET + b"Host: a\r\nContent-Length: %d\r\n\r\n" % len(inside) + inside
    answer = ask(APPLICATION, request)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer.lower()


def test_a_connection_has_its_last_request() -> None:
    answer = ask(APPLICATION, (GET + b"Host: a.example\r\n\r\n") * (REQUESTS + 5))
    assert answer.count(b"HTTP/1.1 200") == REQUESTS
    assert answer.lower().count(b"connection: close") == 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x00\x01\x02\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x11" * 64, b"400"),
        (b"EHLO a.example\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", b"505"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", b"501"),
        (b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * 2 * LONGEST_HEAD, b"431"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * LONGEST_HEAD, b"431"),
        (b"GET " + b"/" * 2 * LONGEST_HEAD, b"431"),
    ],
)
def test_what_is_no_http_is_refused(request_: bytes, status: bytes) -> None:
    answer = ask(APPLICATION, request_)
    assert answer.split()[1] == status
    assert answer.endswith(b"\r\n\r\n")


def test_who_says_nothing_is_left_and_who_is_slow_is_told() -> None:
    assert ask(APPLICATION, patience=Patience(head=0.1)) == b""
    assert ask(APPLICATION, b"GET", patience=Patience(head=0.1)).startswith(b"HTTP/1.1 408")
    kept = ask(APPLICATION, GET + b"Host: a.example\r\n\r\n", patience=Patience(idle=0.1))
    assert kept.count(b"HTTP/1.1") == 1


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    request = b"POST /any/case.xml HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"
    assert ask(APPLICATION, request, patience=Patience(body=0.1)).startswith(b"HTTP/1.1 400")


def test_a_proxy_on_this_machine_says_whom_it_speaks_for() -> None:
    fields = b"X-Forwarded-For: 192.0.2.1, 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
    assert b" https 192.0.2.7 " in ask(APPLICATION, GET + fields + CLOSE)
    for given, seen in (
        (b"192.0.2.7:50000", b"192.0.2.7"),
        (b"[2001:db8::1]:50000", b"2001:db8::1"),
        (b"2001:db8::1", b"2001:db8::1"),
        (b"192.0.2.1, a:b", b""),
        (b"who", b""),
    ):
        fields = b"X-Forwarded-For: " + given + b"\r\n"
        assert b" http " + seen + b" " in ask(APPLICATION, GET + fields + CLOSE), given
    assert b" http 127.0.0.1 " in ask(APPLICATION, GET + b"X-Forwarded-Proto: ftp\r\n" + CLOSE)


def test_with_tls_the_scheme_is_https(tmp_path: Path) -> None:
    make_certificate(tmp_path, ["a.example"])
    answer = ask(APPLICATION, GET + CLOSE, folder=tmp_path, name="a.example")
    assert b" https 127.0.0.1 " in answer


def test_a_server_that_stops_finishes_what_it_does() -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Asked) -> Response:
        entered.set()
        await go_on.wait()
        return PlainTextResponse("done")

    async def work(port: int, server: Server) -> bytes:
        asking = asyncio.create_task(talk(port, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"))
        await entered.wait()
        draining = asyncio.create_task(server.drain(5.0))
        await asyncio.sleep(0)
        go_on.set()
        await draining
        return await asking

    answer = asyncio.run(serving(public_application([Document("/slow", slow)]), work))
    assert answer.endswith(b"done")
    assert b"connection: close" in answer.lower()


def test_an_application_that_says_nothing_or_not_enough() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        """Nothing at all."""

    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("/secret/path")

    def answer_of(application: ASGIApp) -> bytes:
        return ask(application, GET + CLOSE)

    assert answer_of(silent).startswith(b"HTTP/1.1 500")
    assert not answer_of(half).endswith(b"0\r\n\r\n")
    assert b"secret" not in answer_of(broken)
