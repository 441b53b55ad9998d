"""A proxy that a client speaks to in clear and that speaks TLS with the server: it counts what lies between,
the octets above TLS, which nobody else sees."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["MeteringProxy", "metering_proxy"]

PIECE = 65536
PATIENCE = 30.0


@dataclass(slots=True)
class MeteringProxy:
    """`address`: where it listens. `to_server`, `to_client`: octets of all its connections so far."""

    address: tuple[str, int]
    to_server: int = 0
    to_client: int = 0
    _threads: list[threading.Thread] = field(default_factory=list)

    def settle(self) -> None:
        """Every connection has ended and been counted."""
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a connection through the proxy does not end"
        self._threads.clear()

    def serve(self, client: socket.socket, host: str, port: int, context: ssl.SSLContext) -> None:
        plain = socket.create_connection((host, port), timeout=PATIENCE)
        with client, context.wrap_socket(plain, server_hostname=host) as server:
            client.settimeout(PATIENCE)
            up = threading.Thread(target=self._up, args=(client, server))
            up.start()
            with contextlib.suppress(OSError):
                while data := server.recv(PIECE):
                    self.to_client += len(data)
                    client.sendall(data)
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            up.join(PATIENCE)

    def _up(self, client: socket.socket, server: ssl.SSLSocket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(PIECE):
                self.to_server += len(data)
                server.sendall(data)


@contextlib.contextmanager
def metering_proxy(host: str, port: int) -> Iterator[MeteringProxy]:
    """In front of the implicit TLS of `host` and `port`, whoever it is: for tests on the loopback."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = MeteringProxy(listener.getsockname()[:2])

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    thread = threading.Thread(target=proxy.serve, args=(client, host, port, context))
                    proxy._threads.append(thread)
                    thread.start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield proxy
        proxy.settle()
