"""Small clients that show what is on the wire: IMAP with IDLE and COMPRESS, POP3, and bare lines.

They count the octets on the socket below TLS, which ready-made clients do not tell.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import time
import zlib
from types import TracebackType
from typing import Self

__all__ = ["ImapClient", "PopClient", "Wire"]

TIMEOUT = 30.0
_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")


class Wire:
    """A TCP connection, with or without TLS, that reads lines and counts octets below TLS."""

    def __init__(
        self, address: tuple[str, int], tls: ssl.SSLContext | None = None, name: str = "", source: str = ""
    ) -> None:
        self._socket = socket.create_connection(
            address, TIMEOUT, source_address=(source, 0) if source else None
        )
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._channel: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._inflate: zlib._Decompress | None = None
        self._deflate: zlib._Compress | None = None
        self._buffer = bytearray()
        self.octets_in = 0
        self.octets_out = 0
        if tls is not None:
            self.start_tls(tls, name)

    def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        self._channel = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        while True:
            try:
                self._channel.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._push()
                self._pull()
        self._push()

    def start_compression(self) -> None:
        """COMPRESS=DEFLATE: raw deflate both ways (RFC 4978)."""
        self._inflate = zlib.decompressobj(-15)
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, -15)

    def send(self, data: bytes) -> None:
        if self._deflate is not None:
            data = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        if self._channel is None:
            self._send_raw(data)
        else:
            self._channel.write(data)
            self._push()

    def line(self, timeout: float = TIMEOUT) -> bytes:
        """One line with its CRLF; b"" once the peer has closed. Raises TimeoutError."""
        deadline = time.monotonic() + timeout
        seen = 0
        while (end := self._buffer.find(b"\n", seen)) < 0:
            seen = len(self._buffer)
            if not self._more(deadline):
                return b""
        return self._cut(end + 1)

    def octets(self, count: int) -> bytes:
        deadline = time.monotonic() + TIMEOUT
        while len(self._buffer) < count:
            if not self._more(deadline):
                raise EOFError("the peer closed in the middle of a literal")
        return self._cut(count)

    def close(self) -> None:
        """At once and without a word, as when a cable is pulled."""
        self._socket.close()

    def _cut(self, count: int) -> bytes:
        piece = bytes(self._buffer[:count])
        del self._buffer[:count]
        return piece

    def _more(self, deadline: float) -> bool:
        """Wait for input; False at the end of the stream."""
        while True:
            if self._channel is None:
                data = self._receive(deadline)
                ended = not data
            else:
                data, ended = self._read_tls(deadline)
            if data and self._inflate is not None:
                data = self._inflate.decompress(data)
            self._buffer += data
            if data or ended:
                return not ended

    def _read_tls(self, deadline: float) -> tuple[bytes, bool]:
        assert self._channel is not None
        try:
            data = self._channel.read(65536)
            return data, not data
        except ssl.SSLWantReadError:
            raw = self._receive(deadline)
            if not raw:
                return b"", True
            self._incoming.write(raw)
            return b"", False
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b"", True

    def _pull(self) -> None:
        data = self._receive(time.monotonic() + TIMEOUT)
        if not data:
            raise ConnectionResetError("the peer closed during the TLS handshake")
        self._incoming.write(data)

    def _push(self) -> None:
        data = self._outgoing.read()
        if data:
            self._send_raw(data)

    def _receive(self, deadline: float) -> bytes:
        waiting = select.poll()  # select() itself knows descriptors below 1,024 only
        waiting.register(self._socket, select.POLLIN)
        if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError("the server said nothing in time")
        try:
            data = self._socket.recv(262144)
        except ConnectionResetError:
            return b""
        self.octets_in += len(data)
        return data

    def _send_raw(self, data: bytes) -> None:
        self._socket.sendall(data)
        self.octets_out += len(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ImapClient(Wire):
    """`command` returns the untagged responses and the tagged one, each with its literals inside."""

    def __init__(
        self, address: tuple[str, int], tls: ssl.SSLContext | None, name: str, user: str, password: str
    ) -> None:
        super().__init__(address, tls, name)
        self._number = 0
        self.response()
        self.must(f'LOGIN "{user}" "{password}"')

    def response(self, timeout: float = TIMEOUT) -> bytes:
        """One response, literals and all; b"" once the server has closed."""
        whole = self.line(timeout)
        while (literal := _LITERAL.search(whole)) is not None:
            whole += self.octets(int(literal.group(1))) + self.line()
        return whole

    def command(self, text: str, literal: bytes | None = None) -> tuple[list[bytes], bytes]:
        """`literal`, if given, goes behind `text`, unasked (LITERAL+)."""
        self._number += 1
        tag = f"D{self._number}".encode()
        line = tag + b" " + text.encode()
        if literal is not None:
            line += b" {%d+}\r\n" % len(literal) + literal
        self.send(line + b"\r\n")
        untagged: list[bytes] = []
        while True:
            response = self.response()
            if not response:
                raise EOFError(f"the server closed after {text.split()[0]}")
            if response.startswith(tag + b" "):
                return untagged, response
            untagged.append(response)

    def must(self, text: str, literal: bytes | None = None) -> list[bytes]:
        """The untagged responses of a command that has to end with OK. Raises RuntimeError."""
        untagged, tagged = self.command(text, literal)
        if b" OK" not in tagged[:20]:
            raise RuntimeError(f"{text.split()[0]}: {tagged.decode('utf-8', 'replace').strip()}")
        return untagged

    def idle(self) -> None:
        self.send(b"I IDLE\r\n")
        while not self.line().startswith(b"+"):
            pass

    def idle_until(self, wanted: bytes, timeout: float = 10.0) -> tuple[bytes, float]:
        """The first response that contains `wanted`, and the moment it came. Raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while True:
            response = self.response(max(0.0, deadline - time.monotonic()))
            if wanted in response:
                return response, time.monotonic()
            if not response:
                raise EOFError("the server closed during IDLE")

    def done(self) -> None:
        self.send(b"DONE\r\n")
        while not self.response().startswith(b"I "):
            pass


class PopClient(Wire):
    def __init__(
        self, address: tuple[str, int], tls: ssl.SSLContext | None, name: str, user: str, password: str
    ) -> None:
        super().__init__(address, tls, name)
        self.line()
        self.must(f"USER {user}")
        self.must(f"PASS {password}")

    def must(self, text: str) -> str:
        """The reply's line. Raises RuntimeError unless it is +OK."""
        self.send(text.encode() + b"\r\n")
        reply = self.line().decode("utf-8", "replace").strip()
        if not reply.startswith("+OK"):
            raise RuntimeError(f"{text.split()[0]}: {reply}")
        return reply

    def multiline(self, text: str) -> list[bytes]:
        """The lines after +OK, with CRLF and unstuffed, without the final dot."""
        self.must(text)
        lines: list[bytes] = []
        while (line := self.line()) != b".\r\n":
            if not line:
                raise EOFError(f"the server closed in the middle of {text.split()[0]}")
            lines.append(line[1:] if line.startswith(b".") else line)
        return lines
