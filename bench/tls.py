"""TLS: handshakes and idle connections of Postier beside Dovecot's, and handshakes that stall.

    sudo .venv/bin/python bench/tls.py [--handshakes 1000] [--idle 200] [--rounds 3]
    .venv/bin/python bench/tls.py --stall 2000

Handshakes: connect to IMAP over TLS, read the greeting, close; whole ones and such as take up a session, with
an ECDSA and an RSA key. What counts is the CPU of the server's processes, all of them, those that ended
included: it says how many a core can do, whatever else runs on the machine. In each round all servers take
their turn; medians of the rounds. Idle: how much more memory (anonymous pages) the server's processes have
for each connection, before and after LOGIN.

--stall: so many clients that begin a handshake and say no more, beside one that logs in again and again.
"""

from __future__ import annotations

import argparse
import contextlib
import imaplib
import resource
import socket
import ssl
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from peers import cost, dovecot
from peers.around import stoppable
from peers.ours import DOMAIN, PASSWORD, Ours

from postier.net.authority import make_ca, write_key_pair
from postier.testing.certificates import make_certificate, new_key

PORT = 31_600
Results = dict[tuple[str, str], list[float]]
KEYS = {"ECDSA P-256": "p256", "RSA 2048": "2048"}


class Server(Protocol):
    name: str

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def cpu(self) -> float: ...

    @property
    def roots(self) -> list[int]: ...


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def connect(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None, source: str = "127.0.0.1"
) -> ssl.SSLSocket:
    """Past the greeting, with which the tickets have come."""
    bare = socket.create_connection(("127.0.0.1", port), 60, (source, 0))
    channel = context.wrap_socket(bare, server_hostname="mail.bench.test", session=session)
    if not channel.recv(4096).startswith(b"* OK"):
        raise RuntimeError("no greeting")
    return channel


def handshakes(server: Server, port: int, count: int, *, resumed: bool) -> float:
    """CPU milliseconds of the server for each."""
    context = client_context()
    session = None
    if resumed:
        with connect(port, context) as channel:
            session = channel.session
    taken, before = 0, server.cpu()
    for _ in range(count):
        with connect(port, context, session) as channel:
            taken += bool(channel.session_reused)
    time.sleep(0.5)
    if taken < count * resumed * 0.99:
        print(f"  {server.name}: only {taken} of {count} sessions were taken up")
    return (server.cpu() - before) * 1000 / count


@contextlib.contextmanager
def idle(port: int, count: int, *, log_in: bool) -> Iterator[None]:
    context, channels = client_context(), []
    for number in range(count):
        channel = connect(port, context, source=f"127.0.{number % 200 + 1}.{number % 250 + 1}")
        if log_in:
            channel.sendall(f"a LOGIN user{number % 100}@{DOMAIN} {PASSWORD}\r\n".encode())
            if b"a OK" not in channel.recv(4096):
                raise RuntimeError("no login")
        channels.append(channel)
    yield
    for channel in channels:
        channel.close()


def memory_of(server: Server, port: int, count: int, *, log_in: bool) -> float:
    """KiB for each connection."""
    with idle(port, count // 4, log_in=log_in):  # what is there once
        pass
    time.sleep(1)
    before = cost.resident(cost.processes(server.roots))
    with idle(port, count, log_in=log_in):
        time.sleep(1)
        after = cost.resident(cost.processes(server.roots))
    return (after - before) / 1024 / count


def beside(arguments: argparse.Namespace, folder: Path) -> None:
    authority = make_ca("bench")
    results: Results = {}
    for kind, key in KEYS.items():
        place = folder / key
        place.mkdir(parents=True)
        pair = make_certificate(authority, ["mail.bench.test"], key=new_key(key))
        write_key_pair(pair, place / "c.pem", place / "c.key")
        ours = Ours(place, PORT)
        write_key_pair(pair, ours.data / "tls" / "cert.pem", ours.data / "tls" / "key.pem")
        servers: list[tuple[Server, int]] = [(ours, PORT + 993)]
        if dovecot.can_run():
            for number, way in enumerate(dovecot.LOGIN):
                files = (place / "c.pem", place / "c.key")
                other = dovecot.Dovecot(place / f"dovecot{number}", PORT + 1 + number, files, PASSWORD, way)
                servers.append((other, PORT + 1 + number))
        started: list[Server] = []
        try:
            for server, _ in servers:
                server.start()
                started.append(server)
            for _ in range(arguments.rounds):
                for server, port in servers:
                    measure(results, server, port, kind, arguments)
        finally:
            for server in started:
                server.stop()
    report(results)


def measure(
    results: Results,
    server: Server,
    port: int,
    kind: str,
    given: argparse.Namespace,
) -> None:
    def note(what: str, value: float) -> None:
        results.setdefault((what, server.name), []).append(value)

    for resumed in (False, True):
        what = f"handshake, {kind}, {'resumed' if resumed else 'whole'}: CPU ms"
        note(what, handshakes(server, port, given.handshakes, resumed=resumed))
    if kind == next(iter(KEYS)):
        for log_in in (False, True):
            what = f"idle, {'logged in' if log_in else 'before LOGIN'}: KiB"
            note(what, memory_of(server, port, given.idle, log_in=log_in))


def report(results: Results) -> None:
    names = list(dict.fromkeys(name for _, name in results))
    print(f"{'':<44}" + "".join(f"{name:>28}" for name in names))
    for what in dict.fromkeys(what for what, _ in results):
        values = [statistics.median(results[what, name]) for name in names]
        print(f"{what:<44}" + "".join(f"{value:>28.3f}" for value in values))


def stall(count: int, folder: Path) -> None:
    """Half of them say nothing, half begin a hello."""
    ours = Ours(folder, PORT)
    ours.start()
    try:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            client_context().wrap_bio(incoming, outgoing, server_hostname="mail.bench.test").do_handshake()
        hello = outgoing.read()
        quiet = [log_in(ours.base) for _ in range(50)]
        before, stalled = cost.resident(cost.processes(ours.roots)), []
        for number in range(count):
            client = socket.create_connection(("127.0.0.1", ours.base + 993), 60)
            client.sendall(hello[: number % 2 * (len(hello) // 2)])
            stalled.append(client)
        grown = cost.resident(cost.processes(ours.roots)) - before
        busy = [log_in(ours.base) for _ in range(50)]
        print(f"{count} stalled handshakes: {grown / 1024 / count:.1f} KiB each")
        print(f"a login beside them: {describe(busy)}; without them: {describe(quiet)}")
        start = time.monotonic()
        for client in stalled:
            client.settimeout(60)
            with contextlib.suppress(ConnectionError):
                while client.recv(100):
                    pass
            client.close()
        print(f"all are sent away {time.monotonic() - start:.0f} s later")
    finally:
        ours.stop()


def log_in(base: int) -> float:
    """Milliseconds of connecting, logging in and leaving."""
    start = time.monotonic()
    with imaplib.IMAP4_SSL("127.0.0.1", base + 993, ssl_context=client_context(), timeout=60) as client:
        client.login(f"user1@{DOMAIN}", PASSWORD)
    return (time.monotonic() - start) * 1000


def describe(milliseconds: Sequence[float]) -> str:
    found = sorted(milliseconds)
    return f"median {statistics.median(found):.1f} ms, worst {found[-1]:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--handshakes", type=int, default=1000)
    parser.add_argument("--idle", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stall", type=int, default=0)
    arguments = parser.parse_args()
    stoppable()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 20_000)), hard))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        if arguments.stall:
            stall(arguments.stall, Path(folder))
        else:
            beside(arguments, Path(folder))


if __name__ == "__main__":
    main()
