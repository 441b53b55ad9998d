"""A web application behind real sockets of the loopback, in clear or with TLS, and a client of octets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from postier.http.server import USUAL_PATIENCE, Patience, http_session
from postier.net.authority import issue_certificate, make_ca, write_key_pair
from postier.net.binding import Endpoint, bind_sockets
from postier.net.contexts import one_certificate
from postier.net.server import Listener, Server
from postier.net.tls import verifying_client_context

__all__ = ["ask", "make_certificate", "serving", "talk", "verifying"]


def make_certificate(folder: Path, names: Sequence[str]) -> None:
    """`c.pem` and `c.key` for `names`, from the authority in `ca.pem`."""
    ca = make_ca("test")
    (folder / "ca.pem").write_bytes(ca.certificate)
    write_key_pair(issue_certificate(ca, list(names)), folder / "c.pem", folder / "c.key")


def verifying(folder: Path) -> ssl.SSLContext:
    """Of a client that believes the authority of make_certificate."""
    return verifying_client_context(folder / "ca.pem")


async def serving(
    application: ASGIApp,
    work: Callable[[int, Server], Awaitable[Any]],
    *,
    folder: Path | None = None,
    patience: Patience = USUAL_PATIENCE,
) -> Any:
    """What `work` makes of the port while the application is served there, with TLS where there is a `folder`
    with a certificate (see make_certificate)."""
    endpoint = Endpoint("web", "127.0.0.1", 0)
    sockets = bind_sockets([endpoint])[0]
    source = None if folder is None else one_certificate(folder / "c.pem", folder / "c.key")
    session = http_session(application, patience=patience)
    server = Server([Listener(endpoint, session, tls=source, implicit_tls=source is not None)])
    await server.start(sockets)
    try:
        return await work(sockets[endpoint].getsockname()[1], server)
    finally:
        await server.drain(1.0)


async def talk(port: int, *pieces: bytes, context: ssl.SSLContext | None = None, name: str = "") -> bytes:
    """All that comes back for `pieces`, until the other side closes."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=name if context else None
    )
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


def ask(
    application: ASGIApp,
    *pieces: bytes,
    folder: Path | None = None,
    name: str = "",
    patience: Patience = USUAL_PATIENCE,
) -> bytes:
    """The answer of the application to `pieces` on a connection of their own."""

    async def work(port: int, _: Server) -> bytes:
        context = None if folder is None else verifying(folder)
        return await talk(port, *pieces, context=context, name=name)

    answer = asyncio.run(serving(application, work, folder=folder, patience=patience))
    assert isinstance(answer, bytes)
    return answer
