"""Which certificate a client gets, whatever its hello looks like; tickets; certificates of clients."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gc
import socket
import ssl
import struct
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from postier.base.networks import Networks
from postier.net.api import Connection
from postier.net.authority import KeyPair, make_ca
from postier.net.certificates import Certificate, read_certificate
from postier.net.client_hello import NO_HELLO, ClientHello
from postier.net.connection import StreamConnection
from postier.net.contexts import ContextChooser, ServiceTls
from postier.net.server import Endpoint, Limits, Listener, Server
from postier.net.shelf import Shelf
from postier.net.tls import NO_APPLICATION_PROTOCOL, NoApplicationProtocol
from postier.testing.certificates import CLIENT, make_certificate

Runner = Callable[[Coroutine[Any, Any, Any]], Any]
CA = make_ca("test authority")
PEOPLE = make_ca("people")
LOCAL = Endpoint("imaps", "127.0.0.1", 0)


def certificate(*names: str, days: float = 90) -> Certificate:
    pair = make_certificate(CA, names, days=(-1, days))
    return read_certificate(pair.certificate, pair.key, f"certificate {names[0]}")


HOST = certificate("mail.example", "other.example")
B = certificate("mail.b.example", "imap.b.example")
WILD = certificate("*.b.example")
SERVICES = {"smtp": ServiceTls(), "imaps": ServiceTls((b"imap",)), "pop3s": ServiceTls((b"pop3",))}


def chooser(*stored: Certificate, services: dict[str, ServiceTls] = SERVICES) -> ContextChooser:
    made = ContextChooser(HOST, services, "mail.example")
    made.show(HOST, stored)
    return made


# ---------------------------------------------------------------------- by name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("mail.b.example", B),
        ("imap.b.example", B),
        ("pop.b.example", WILD),
        ("b.example", HOST),
        ("a.pop.b.example", HOST),
        ("mail.example", HOST),
        ("unknown.example", HOST),
        ("", HOST),
    ],
)
def test_the_name_decides(name: str, shown: Certificate) -> None:
    assert Shelf(HOST, [B, WILD], "mail.example").certificate_for(name) is shown


def test_of_two_for_one_name_the_one_that_is_valid_longer_is_shown() -> None:
    newer = certificate("imap.b.example", days=91)
    found = Shelf(HOST, [newer, B], "mail.example")
    assert found.certificate_for("imap.b.example") is newer
    assert found.certificate_for("mail.b.example") is B


def test_a_stored_certificate_for_the_host_is_the_default_and_hides_no_other_name_of_the_files() -> None:
    stored = certificate("mail.example")
    found = Shelf(HOST, [stored], "mail.example")
    for name in ("mail.example", "", "unknown.example"):
        assert found.certificate_for(name) is stored
    assert found.certificate_for("other.example") is HOST


def test_200_unknown_names_leave_nothing_behind() -> None:
    found = chooser(B)
    contexts = {id(found.choose("imaps", ClientHello(f"n{number}.example"))) for number in range(200)}
    assert contexts == {id(found.choose("imaps", NO_HELLO))}
    assert len(found._contexts) == len(SERVICES)


def test_what_stays_keeps_its_contexts_and_what_goes_loses_them() -> None:
    found = chooser(B)
    hello = ClientHello("mail.b.example")
    before = found.choose("imaps", hello)
    found.show(HOST, [B, WILD])
    assert found.choose("imaps", hello) is before
    renewed = certificate("mail.b.example")
    found.show(HOST, [renewed])
    assert found.choose("imaps", hello) is not before
    assert not any(key[1] == B.fingerprint for key in found._contexts)


def test_services_that_change_get_new_contexts() -> None:
    found = chooser()
    before = {service: found.choose(service, NO_HELLO) for service in SERVICES}
    found.offer(SERVICES | {"imaps": ServiceTls((b"imap",), PEOPLE.certificate.decode())})
    assert found.choose("smtp", NO_HELLO) is before["smtp"]
    asking = found.choose("imaps", NO_HELLO)
    assert asking is not before["imaps"]
    assert asking.verify_mode == ssl.CERT_OPTIONAL


def test_who_means_another_service_is_refused() -> None:
    found = chooser()
    assert found.choose("imaps", ClientHello("", (b"\x0a\x0a", b"imap")))
    assert found.choose("smtp", ClientHello("", (b"http/1.1",)))  # where nothing is looked at
    with pytest.raises(NoApplicationProtocol, match=r"h2, http/1\.1"):
        found.choose("imaps", ClientHello("", (b"h2", b"http/1.1")))


def test_somebody_else_may_answer_first() -> None:
    found, other = chooser(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.answer_first(lambda service, hello: other if b"acme-tls/1" in hello.protocols else None)
    assert found.choose("imaps", ClientHello("", (b"acme-tls/1",))) is other
    assert found.choose("imaps", NO_HELLO) is not other


# ---------------------------------------------------------------------- tickets


def client_context(version: int = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=CA.certificate.decode())
    context.check_hostname = False
    context.maximum_version = ssl.TLSVersion(version)
    return context


def shake_hands(
    client: ssl.SSLContext, server: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[bool, ssl.SSLSession | None]:
    """Whether the session was taken up, and the one to take up next."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname="mail.b.example", session=session)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (here, there):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    there.write(b"x")
    assert here.read(1) == b"x"
    return bool(here.session_reused), here.session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_bound_to_its_service_and_its_certificate(version: int) -> None:
    """Where it was given out it is taken up; at another service, or for another certificate, it is not."""
    found, client = chooser(B, WILD), client_context(version)
    hello = ClientHello("mail.b.example")
    _, session = shake_hands(client, found.choose("imaps", hello), None)
    assert shake_hands(client, found.choose("imaps", hello), session)[0]
    for service, name in (
        ("smtp", "mail.b.example"),
        ("pop3s", "mail.b.example"),
        ("imaps", "pop.b.example"),
        ("imaps", "mail.example"),
        ("imaps", ""),
    ):
        assert not shake_hands(client, found.choose(service, ClientHello(name)), session)[0]
    found.show(HOST, [B])
    assert shake_hands(client, found.choose("imaps", hello), session)[0]
    found.show(HOST, [certificate("mail.b.example")])
    assert not shake_hands(client, found.choose("imaps", hello), session)[0]


def test_nothing_is_taken_before_the_handshake_is_over() -> None:
    """No early data (RFC 9846 2.3): a ticket that allows some says so in an extension of its own."""
    context = chooser().choose("imaps", NO_HELLO)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION


# ---------------------------------------------------------------------- over real sockets


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Runner:
    return uvloop.run if request.param == "uvloop" else asyncio.run


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
    """STARTTLS starts TLS; anything else is answered by what is known."""
    core = Lines()
    while (line := await connection.event(core, 5)) is not None:
        if line == b"STARTTLS":
            core.out += b"go\n"
            await connection.start_tls(core)
        else:
            name = connection.tls.server_name if connection.tls is not None else "clear"
            facts = (name, str(len(connection.client_certificate)), *connection.channel_bindings)
            core.out += " ".join((connection.peer[0], *facts)).encode() + b"\n"


async def serve(
    found: ContextChooser, *, implicit: bool = True, proxies: Iterable[str] = ()
) -> tuple[Server, int]:
    listener = Listener(LOCAL, session, found.of("imaps"), implicit)
    server = Server([listener], Limits(100, 0), proxy_from=Networks(proxies))
    return server, next(iter((await server.start()).values()))


class Client:
    """TLS by hand, so that every octet can be cut as one likes."""

    def __init__(self, context: ssl.SSLContext, name: str | None = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.channel = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.channel.do_handshake()
        self.hello = self.outgoing.read()

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, step: Any) -> Any:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                writer.write(self.outgoing.read())
                data = await reader.read(65536)
                if not data:
                    raise ConnectionResetError from None
                self.incoming.write(data)
            else:
                writer.write(self.outgoing.read())
                return result

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, str]:
        """The name of the certificate that is shown, and what the session says."""
        await self.run(reader, writer, self.channel.do_handshake)
        self.channel.write(b"hi\n")
        answer = await self.run(reader, writer, lambda: self.channel.read(1000))
        names = self.channel.getpeercert()["subjectAltName"]  # type: ignore[index]
        return names[0][1], answer.decode().strip()


def cut_into_records(hello: bytes, size: int) -> bytes:
    message = hello[5:]
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(hello[:3] + len(piece).to_bytes(2) + piece for piece in pieces)


def in_one(hello: bytes) -> list[bytes]:
    return [hello]


def by_octets(hello: bytes) -> list[bytes]:
    return [bytes((octet,)) for octet in hello]


def in_records(hello: bytes) -> list[bytes]:
    return [cut_into_records(hello, 20)]


def in_records_by_thirds(hello: bytes) -> list[bytes]:
    data = cut_into_records(hello, 50)
    return [data[start : start + 17] for start in range(0, len(data), 17)]


CUTS = (in_one, by_octets, in_records, in_records_by_thirds)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "STARTTLS"])
def test_the_hello_may_come_in_pieces(
    run: Runner, cut: Callable[[bytes], list[bytes]], implicit: bool
) -> None:
    async def main() -> None:
        server, port = await serve(chooser(B, WILD), implicit=implicit)
        for name, shown in (("imap.b.example", "mail.b.example"), (None, "mail.example")):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not implicit:
                writer.write(b"STARTTLS\n")
                assert await reader.readline() == b"go\n"
            client = Client(client_context(), name)
            for piece in cut(client.hello):
                writer.write(piece)
                await asyncio.sleep(0)
            answer = await client.ask(reader, writer)
            assert answer == (shown, f"127.0.0.1 {name or ''} 0 tls-exporter tls-server-end-point")
            writer.close()
        await server.drain(5)

    run(main())


def test_behind_a_proxy_header(run: Runner) -> None:
    async def main() -> None:
        server, port = await serve(chooser(B), proxies=["127.0.0.1"])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        client = Client(client_context(), "mail.b.example")
        writer.write(b"PROXY TCP4 192.0.2.9 192.0.2.1 4000 993\r\n" + client.hello[:10])
        await asyncio.sleep(0.01)
        writer.write(client.hello[10:])
        shown, answer = await client.ask(reader, writer)
        assert shown == "mail.b.example"
        assert answer.startswith("192.0.2.9 mail.b.example")
        writer.close()
        await server.drain(5)

    run(main())


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        b"a1 LOGIN alice secret\r\n",
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
        b"\x16\x03\x01\x00\x05\x01\xff\xff\xff\x00" * 100,
        bytes(range(256)) * 400,
        b"\x80\x2e\x01\x00\x02" + bytes(80),
    ],
)
def test_what_is_no_hello_ends_and_others_are_served(run: Runner, junk: bytes) -> None:
    async def main() -> None:
        server, port = await serve(chooser())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(junk)
        with contextlib.suppress(ConnectionResetError):
            said = await reader.read()
            assert said[:1] in (b"", b"\x15")  # nothing, or an alert
        writer.close()
        client = Client(client_context(), None)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(client.hello)
        assert (await client.ask(reader, writer))[0] == "mail.example"
        writer.close()
        await server.drain(5)
        assert server.connections == 0

    run(main())


def test_who_goes_away_within_the_hello(run: Runner) -> None:
    async def main() -> None:
        server, port = await serve(chooser())
        for size in (0, 1, 5, 50):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(Client(client_context(), None).hello[:size])
            await writer.drain()
            writer.close()
        async with asyncio.timeout(5):
            while server.connections:
                await asyncio.sleep(0.001)
        await server.drain(5)

    run(main())


def test_a_stalled_hello_costs_no_tls_object(run: Runner) -> None:
    """Until the hello is whole there is but a connection like any other; the server's end takes it along."""

    async def main() -> None:
        found = chooser()
        server, port = await serve(found)
        writers = []
        for number in range(60):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(Client(client_context(), None).hello[: 1 + number])
            writers.append(writer)
        while server.connections < 60:
            await asyncio.sleep(0.001)
        await server.drain(0.05)
        assert server.connections == 0
        for writer in writers:
            writer.close()

    run(main())


def test_a_protocol_of_another_service_gets_the_alert(run: Runner) -> None:
    async def main() -> None:
        server, port = await serve(chooser())
        context = client_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(Client(context).hello)
        assert await reader.read() == NO_APPLICATION_PROTOCOL
        writer.close()
        await server.drain(5)

    run(main())


def test_no_connection_waits_for_the_collector() -> None:
    """However it ends: an error that refers to a connection which keeps it would keep all of its TLS, too.

    On uvloop: asyncio's own handshake refers to itself when it fails."""

    async def read(port: int, data: bytes, *, reset: bool) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        else:
            writer.write_eof()
            with contextlib.suppress(ConnectionError):
                await reader.read()
        writer.close()

    async def whole(port: int, *, reset: bool) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        client = Client(client_context(), None)
        writer.write(client.hello)
        await client.ask(reader, writer)
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    async def main() -> None:
        server, port = await serve(chooser())
        hello = Client(client_context(), None).hello
        gc.collect()
        gc.disable()
        for reset in (True, False):
            for data in (b"", b"GET /", hello[:50], hello, hello[:-4] + b"junk"):
                await read(port, data, reset=reset)
            await whole(port, reset=reset)
        async with asyncio.timeout(5):
            while server.connections:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        left = [one for one in gc.get_objects() if isinstance(one, StreamConnection)]
        assert len(left) <= 1  # whatever was accepted last
        await server.drain(5)

    try:
        uvloop.run(main())
    finally:
        gc.enable()


# ---------------------------------------------------------------------- certificates of clients


def personal(ca: KeyPair = PEOPLE, **options: Any) -> KeyPair:
    return make_certificate(ca, usage=CLIENT, **options)


async def answer_to(port: int, pair: KeyPair | None, folder: Any, version: int) -> str:
    context = client_context(version)
    if pair is not None:
        (folder / "pair.pem").write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(folder / "pair.pem")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = Client(context)
    writer.write(client.hello)
    try:
        return (await client.ask(reader, writer))[1].split()[1]
    except (ssl.SSLError, ConnectionResetError):
        return "refused"
    finally:
        writer.close()


def revoking(ca: KeyPair, *revoked: KeyPair) -> str:
    """The authority with its list, which is out of date."""
    issuer, day = x509.load_pem_x509_certificate(ca.certificate), dt.timedelta(days=1)
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateRevocationListBuilder(issuer.subject, now - 2 * day, now - day)
    for each in revoked:
        number = x509.load_pem_x509_certificate(each.certificate).serial_number
        entry = x509.RevokedCertificateBuilder(number, now - 3 * day).build()
        builder = builder.add_revoked_certificate(entry)
    key: Any = load_pem_private_key(ca.key, None)
    return (ca.certificate + builder.sign(key, SHA256()).public_bytes(Encoding.PEM)).decode()


def test_a_certificate_that_was_taken_back_opens_nothing(run: Runner, tmp_path: Any) -> None:
    good, lost = personal(), personal()
    services = {"imaps": ServiceTls((b"imap",), revoking(PEOPLE, lost))}

    async def main() -> None:
        server, port = await serve(chooser(services=services))
        assert int(await answer_to(port, good, tmp_path, ssl.TLSVersion.TLSv1_3)) > 0
        assert await answer_to(port, lost, tmp_path, ssl.TLSVersion.TLSv1_3) == "refused"
        await server.drain(5)

    run(main())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_of_the_client_is_known_and_never_needed(
    run: Runner, tmp_path: Any, version: int
) -> None:
    services = {"imaps": ServiceTls((b"imap",), PEOPLE.certificate.decode())}

    async def main() -> None:
        server, port = await serve(chooser(services=services))
        good, expired = personal(), personal(days=(-9, -1))
        length = len(ssl.PEM_cert_to_DER_cert(good.certificate.decode()))
        assert await answer_to(port, None, tmp_path, version) == "0"
        assert await answer_to(port, good, tmp_path, version) == str(length)
        # RFC 4422 A: an expired one is nobody's login, but its owner can still log in by a password
        assert await answer_to(port, expired, tmp_path, version) != "refused"
        # OpenSSL ends the handshake for one of a stranger; the next connection is not asked for any
        stranger = personal(make_ca("strangers"))
        assert await answer_to(port, stranger, tmp_path, version) == "refused"
        assert await answer_to(port, stranger, tmp_path, version) == "0"
        assert await answer_to(port, good, tmp_path, version) == "0"
        await server.drain(5)

    run(main())
