"""The first message of a TLS client: which name it asks for, and which protocols it offers.

ClientHello (RFC 9846 4.1.2; RFC 5246 7.4.1.2 is the same on the wire) in records of the handshake (RFC 9846
5.1), with server_name (RFC 6066 3) and application_layer_protocol_negotiation (RFC 7301 3.1). Whoever
answers it reads it again: nothing here decides whether a hello is good, only which certificate to show for
it. What looks odd but harmless is passed over: GREASE, unknown extensions, encrypted hellos (whose outer
name is a name like any other).

A hello may be cut into records, and those into packets, as the client likes. Both are bounded.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MAX_HELLO", "MAX_RECORDS", "NO_HELLO", "ClientHello", "HelloError", "missing", "parse"]

MAX_HELLO = 16 * 1024
"""Octets of the message. Clients of today send some 2,000 with keys that withstand quantum computers."""

MAX_RECORDS = 64
"""Records that a hello may be cut into; one octet in each is legal, and would cost us."""

_HEADER = 5
_HANDSHAKE, _CLIENT_HELLO, _MAJOR = 22, 1, 3
_MAX_RECORD = 1 << 14
_MESSAGE_HEADER = 4
_RANDOM = 2 + 32  # behind the version
_SERVER_NAME, _ALPN = 0, 16
_HOST_NAME = 0
_MAX_NAME = 253
_MAX_PROTOCOLS = 32
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


class HelloError(ValueError):
    """Not a hello, or one past a limit."""


class ClientHello(NamedTuple):
    """`server_name`: A-labels in lower case without a final dot, "" where none was sent or it is no host's
    name. `protocols`: as offered by ALPN, the first ones."""

    server_name: str = ""
    protocols: tuple[bytes, ...] = ()


NO_HELLO = ClientHello()


def missing(data: bytes | bytearray) -> int:
    """How many octets at least are still to come of the hello that begins with `data`; 0 if it is whole.

    Raises HelloError as soon as it can't become one.
    """
    return _gather(data)[1]


def parse(data: bytes | bytearray) -> ClientHello:
    """What a whole hello says; what is behind it is not looked at. Raises HelloError."""
    message, wanted = _gather(data)
    if wanted:
        raise HelloError("cut")
    body = _Piece(bytes(message))
    body.skip(_MESSAGE_HEADER + _RANDOM)
    body.vector(1)  # session id
    body.vector(2)  # cipher suites
    body.vector(1)  # compression methods
    extensions = _extensions(body.vector(2)) if body.rest() else {}
    if body.rest():
        raise HelloError("octets behind the extensions")
    return ClientHello(_server_name(extensions.get(_SERVER_NAME)), _protocols(extensions.get(_ALPN)))


def _gather(data: bytes | bytearray) -> tuple[bytearray, int]:
    """The message, out of its records, and how many octets of it at least are still to come."""
    message, at = bytearray(), 0
    for _ in range(MAX_RECORDS):
        header = data[at : at + _HEADER]
        if (header[:1] and header[0] != _HANDSHAKE) or (header[1:2] and header[1] != _MAJOR):
            raise HelloError("no record of a handshake")
        if len(header) < _HEADER:
            return message, _HEADER - len(header)
        length = int.from_bytes(header[3:])
        if not 0 < length <= _MAX_RECORD:
            raise HelloError("a record of no length, or too long")
        piece = data[at + _HEADER : at + _HEADER + length]
        message += piece
        whole = _size(message)
        if len(message) >= whole:
            return message[:whole], 0
        if len(piece) < length:
            return message, min(length - len(piece), whole - len(message))
        at += _HEADER + length
    raise HelloError("in too many records")


def _size(message: bytearray) -> int:
    """Octets of the message that begins so; of its header, as long as that is not whole."""
    if message and message[0] != _CLIENT_HELLO:
        raise HelloError("another message")
    if len(message) < _MESSAGE_HEADER:
        return _MESSAGE_HEADER
    size = _MESSAGE_HEADER + int.from_bytes(message[1:_MESSAGE_HEADER])
    if size > MAX_HELLO:
        raise HelloError("too long")
    return size


class _Piece:
    """Reads octets from left to right. All raise HelloError where there are too few."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def rest(self) -> int:
        return len(self._data) - self._at

    def skip(self, count: int) -> None:
        self.take(count)

    def take(self, count: int) -> bytes:
        if count > self.rest():
            raise HelloError("too short")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets))

    def vector(self, octets: int) -> bytes:
        """A vector whose length is said in that many octets (RFC 9846 3.4)."""
        return self.take(self.number(octets))


def _extensions(data: bytes) -> dict[int, bytes]:
    """Those that mean something here, by their type."""
    found: dict[int, bytes] = {}
    rest = _Piece(data)
    while rest.rest():
        kind, content = rest.number(2), rest.vector(2)
        if kind not in (_SERVER_NAME, _ALPN):
            continue
        if kind in found:
            raise HelloError("an extension twice")
        found[kind] = content
    return found


def _server_name(content: bytes | None) -> str:
    """ServerNameList: the first name, which must be a host's, for there is no other kind."""
    if content is None:
        return ""
    names = _Piece(_Piece(content).vector(2))
    if names.number(1) != _HOST_NAME:
        return ""
    name = names.vector(2).decode("ascii", "replace").lower().removesuffix(".")
    return name if len(name) <= _MAX_NAME and _NAME_CHARACTERS.issuperset(name) else ""


def _protocols(content: bytes | None) -> tuple[bytes, ...]:
    found: list[bytes] = []
    names = _Piece(_Piece(content).vector(2) if content is not None else b"")
    while names.rest() and len(found) < _MAX_PROTOCOLS:
        found.append(names.vector(1))
    return tuple(found)
