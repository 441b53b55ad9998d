"""Certificates, contexts, and the handshake of the driver, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from postier.net.api import Connection, ConnectionLost, SslContextSource
from postier.net.authority import KeyPair, issue_certificate, make_ca, write_key_pair
from postier.net.certificates import CertificateError, read_files
from postier.net.connection import READ_LIMIT, StreamConnection
from postier.net.contexts import one_certificate
from postier.net.server import Endpoint, Limits, Listener, Server
from postier.net.tls import (
    opportunistic_client_context,
    server_context,
    verifying_client_context,
)

Runner = Callable[[Coroutine[Any, Any, Any]], Any]
CA = make_ca("test authority")
MANY = Limits(10, 0)


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Runner:
    return uvloop.run if request.param == "uvloop" else asyncio.run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ca.pem").write_bytes(CA.certificate)
    install(tmp_path, "mx.example")
    return tmp_path


def install(folder: Path, *names: str) -> KeyPair:
    pair = issue_certificate(CA, names, [ipaddress.ip_address("127.0.0.1")])
    write_key_pair(pair, folder / "cert.pem", folder / "key.pem")
    return pair


def source(folder: Path) -> SslContextSource:
    return one_certificate(folder / "cert.pem", folder / "key.pem")


class Lines:
    """A core whose events are lines."""

    def __init__(self) -> None:
        self.buffer = b""
        self.out = b""

    def receive(self, data: bytes) -> None:
        self.buffer += data

    def next_event(self) -> bytes | None:
        line, newline, rest = self.buffer.partition(b"\n")
        if not newline:
            return None
        self.buffer = rest
        return line

    def eof(self) -> None: ...

    def outgoing(self) -> bytes:
        data, self.out = self.out, b""
        return data

    def has_buffered_input(self) -> bool:
        return bool(self.buffer)


async def session(connection: Connection) -> None:
    """Echoes lines with what is known of TLS; STARTTLS starts it."""
    core = Lines()
    while (line := await connection.event(core, 5)) is not None:
        if line == b"STARTTLS":
            core.out += b"go\n"
            await connection.start_tls(core)
        elif isinstance(line, bytes):
            tls = connection.tls
            known = f"{tls.version} {tls.bits} {tls.server_name}" if tls else "clear"
            core.out += line + b" " + known.encode() + b"\n"


async def connect(port: int) -> StreamConnection:
    loop = asyncio.get_running_loop()
    return (await loop.create_connection(lambda: StreamConnection(loop), "127.0.0.1", port))[1]


async def ask(connection: StreamConnection, core: Lines, line: bytes) -> bytes | None:
    core.out += line + b"\n"
    found = await connection.event(core, 5)
    assert found is None or isinstance(found, bytes)
    return found


async def serving(folder: Path, *, implicit_tls: bool, limits: Limits = MANY) -> tuple[Server, int]:
    listener = Listener(Endpoint("t", "127.0.0.1", 0), session, source(folder), implicit_tls, busy=b"busy\n")
    server = Server([listener], limits)
    return server, next(iter((await server.start()).values()))


def test_implicit_tls(run: Runner, folder: Path) -> None:
    async def main() -> None:
        server, port = await serving(folder, implicit_tls=True)
        connection, core = await connect(port), Lines()
        context = verifying_client_context(folder / "ca.pem")
        await connection.start_client_tls(core, context, "mx.example")
        assert await ask(connection, core, b"hi") == b"hi TLSv1.3 256 mx.example"
        big = b"x" * 2_000_000
        assert await ask(connection, core, big) == big + b" TLSv1.3 256 mx.example"
        connection.close()
        await server.drain(5)
        assert server.connections == 0

    run(main())


def test_those_who_begin_a_handshake_and_stall_keep_nobody_out(run: Runner, folder: Path) -> None:
    """Six addresses with a hundred connections each shut the doors with implicit TLS for everybody else."""

    async def main() -> None:
        server, port = await serving(folder, implicit_tls=True, limits=Limits(1000, 0))
        stalled = [await asyncio.open_connection("127.0.0.1", port) for _ in range(510)]
        connection, core = await connect(port), Lines()
        context = verifying_client_context(folder / "ca.pem")
        await connection.start_client_tls(core, context, "mx.example", timeout=5)
        assert await ask(connection, core, b"hi") == b"hi TLSv1.3 256 mx.example"
        connection.close()
        for _, writer in stalled:
            writer.close()
        await server.drain(5)

    run(main())


def test_close_under_tls_sends_everything(run: Runner, folder: Path) -> None:
    async def download(connection: Connection) -> None:
        connection.write(b"x" * 5_000_000 + b"\n")
        connection.close()

    async def main() -> None:
        listener = Listener(Endpoint("t", "127.0.0.1", 0), download, source(folder), implicit_tls=True)
        server = Server([listener])
        (port,) = (await server.start()).values()
        context = verifying_client_context(folder / "ca.pem")
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="mx.example"
        )
        got = b""
        while data := await reader.read(100_000):
            got += data
            await asyncio.sleep(0.0005)
        assert len(got) == 5_000_001
        writer.close()
        await server.drain(5)

    run(main())


def test_a_busy_session_bounds_what_is_read_and_loses_nothing(run: Runner, folder: Path) -> None:
    seen: list[int] = []

    async def slow(connection: Connection) -> None:
        core = Lines()
        assert await connection.event(core, 5) == b"go"
        before = -1
        while connection.bytes_in != before:  # nothing is read any more
            before = connection.bytes_in
            await asyncio.sleep(0.02)
        line = await connection.event(core, 5)
        assert isinstance(line, bytes)
        seen.extend((before, len(line)))
        assert await connection.event(core, 5) is None
        seen.append(0)

    async def main() -> None:
        listener = Listener(Endpoint("t", "127.0.0.1", 0), slow, source(folder), implicit_tls=True)
        server = Server([listener])
        (port,) = (await server.start()).values()
        context = verifying_client_context(folder / "ca.pem")
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="mx.example"
        )
        writer.write(b"go\n" + b"x" * 4_000_000 + b"\n")
        writer.close()
        while server.connections or not seen:
            await asyncio.sleep(0.01)
        await server.drain(5)

    run(main())
    assert READ_LIMIT < seen[0] < 3 * READ_LIMIT
    assert seen[1:] == [4_000_000, 0]


def test_start_tls_on_both_sides(run: Runner, folder: Path) -> None:
    async def main() -> None:
        server, port = await serving(folder, implicit_tls=False)
        connection, core = await connect(port), Lines()
        assert await ask(connection, core, b"hi") == b"hi clear"
        assert await ask(connection, core, b"STARTTLS") == b"go"
        await connection.start_client_tls(core, opportunistic_client_context(), None)
        assert await ask(connection, core, b"hi") == b"hi TLSv1.3 256 "
        assert connection.tls is not None
        assert connection.tls.version == "TLSv1.3"
        assert await ask(connection, core, b"x" * 300_000) is not None
        connection.close()
        await server.drain(5)

    run(main())


def test_a_certificate_for_another_name_is_refused_by_a_verifying_client(run: Runner, folder: Path) -> None:
    async def main() -> None:
        server, port = await serving(folder, implicit_tls=True)
        connection = await connect(port)
        context = verifying_client_context(folder / "ca.pem")
        with pytest.raises(ConnectionLost, match="certificate verify failed"):
            await connection.start_client_tls(Lines(), context, "other.example")
        await server.drain(5)

    run(main())


def test_input_behind_start_tls_ends_the_connection(run: Runner, folder: Path) -> None:
    async def main() -> None:
        server, port = await serving(folder, implicit_tls=False)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"STARTTLS\nhi\n")
        assert await reader.read() == b""
        writer.close()
        await server.drain(5)

    run(main())


def test_clear_text_instead_of_a_handshake_ends_the_connection(run: Runner, folder: Path) -> None:
    async def main() -> None:
        server, port = await serving(folder, implicit_tls=False)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go\n"
        writer.write(b"hi there, no hello of TLS\n")
        assert b"clear" not in await reader.read()
        writer.close()
        await server.drain(5)
        assert server.connections == 0

    run(main())


def test_clear_text_behind_the_end_of_tls_ends_the_connection(run: Runner, folder: Path) -> None:
    """A close_notify ends the session and not the layer: what follows in clear is nobody's command."""

    async def main() -> None:
        server, port = await serving(folder, implicit_tls=True)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = verifying_client_context(folder / "ca.pem")
        tls = context.wrap_bio(incoming, outgoing, server_hostname="mx.example")

        async def exchange(step: Callable[[], object]) -> object:
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await reader.read(65536))

        await exchange(tls.do_handshake)
        tls.write(b"hi\n")
        answer = await exchange(lambda: tls.read(100))
        assert isinstance(answer, bytes)
        assert answer.startswith(b"hi TLSv1.3")
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()
        writer.write(outgoing.read() + b"one\ntwo\n")
        with contextlib.suppress(ConnectionResetError):
            rest = await reader.read()
            assert b"clear" not in rest
            assert b"two" not in rest
        writer.close()
        await server.drain(5)
        assert server.connections == 0

    run(main())


def test_a_silent_tls_client_counts_and_is_dropped_at_the_end(run: Runner, folder: Path) -> None:
    async def main() -> None:
        server, port = await serving(folder, implicit_tls=True, limits=Limits(1, 0))
        _, silent = await asyncio.open_connection("127.0.0.1", port)
        while not server.connections:
            await asyncio.sleep(0.001)
        reader, refused = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        await server.drain(0.05)
        assert server.connections == 0
        silent.close()
        refused.close()

    run(main())


def test_tls_1_1_is_refused(folder: Path) -> None:
    context = server_context(read_files(folder / "cert.pem", folder / "key.pem"))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert verifying_client_context().minimum_version == ssl.TLSVersion.TLSv1_2
    names = [cipher["name"] for cipher in context.get_ciphers()]
    assert all(name.startswith(("TLS_", "ECDHE-")) and not name.endswith("-SHA") for name in names)
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "no such file"), (b"", "no start line|pem"), (b"garbage", "no start line|pem")],
)
def test_a_broken_certificate_is_one_clear_line(folder: Path, content: bytes | None, why: str) -> None:
    file = folder / "cert.pem"
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(CertificateError, match=why) as caught:
        source(folder)
    assert str(caught.value).startswith(f"cannot use certificate {file} with key ")
    assert "\n" not in str(caught.value)


def test_a_locked_key_does_not_ask_at_the_terminal(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    pair = install(folder, "mx.example")
    key = serialization.load_pem_private_key(pair.key, None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )
    (folder / "key.pem").write_bytes(locked)
    with pytest.raises(CertificateError, match="passphrase"):
        source(folder)


def test_key_files_are_for_their_owner_only(folder: Path) -> None:
    install(folder, "again.example")
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "cert.pem").stat().st_mode) == 0o644
    assert sorted(path.name for path in folder.iterdir()) == ["ca.pem", "cert.pem", "key.pem"]


def test_lifetimes() -> None:
    from cryptography import x509

    now = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    ca = make_ca("x", now)
    leaf = issue_certificate(ca, ["mx.example"], now=now)
    for pair, days in ((ca, 3653), (leaf, 825)):
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert lifetime == dt.timedelta(days=days)
        assert certificate.not_valid_before_utc < now
    with pytest.raises(ValueError, match="needs a name"):
        issue_certificate(ca, [])
    assert "PRIVATE" not in repr(ca)
