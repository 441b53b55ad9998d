"""The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): who a proxy speaks for.

The header is the first thing on a connection, before TLS and before any greeting. It is read to its last
octet and not one further, so that what follows is the client's own, whoever reads it.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

__all__ = ["HEADER_TIMEOUT", "MAX_V1", "MAX_V2", "Proxied", "ProxyError", "missing", "parse", "read_header"]

HEADER_TIMEOUT = 5.0
"""Seconds; a retransmission of the first packet fits (2.1)."""

MAX_V1 = 107
"""Octets of a header of version 1 with its CRLF."""

MAX_V2 = 4096
"""Octets of a header of version 2 behind the first 16: addresses and a few TLVs."""

_V1 = b"PROXY "
_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = 16
_LOCAL, _PROXY = 0x20, 0x21
_UNSPEC, _TCP4, _TCP6, _UNIX = 0x00, 0x11, 0x21, 0x31
_ADDRESSES = {_UNSPEC: 0, _TCP4: 12, _TCP6: 36, _UNIX: 216}
"""Octets of the addresses of each family; other families are none that a stream can have."""


class ProxyError(ValueError):
    """Not a header, or one that contradicts itself."""


class Proxied(NamedTuple):
    """Address and port of the client, and of the server as the client knew it."""

    peer: tuple[str, int]
    local: tuple[str, int]


def missing(data: bytes) -> int:
    """How many octets at least are still to come of the header that begins with `data`; 0 if it is whole.

    Raises ProxyError as soon as it can't become one.
    """
    if data.startswith(_V1):
        if data.endswith(b"\r\n"):
            return 0
        if len(data) >= MAX_V1 or b"\n" in data:
            raise ProxyError("the line has no end")
        return max(len(_V2) - len(data), 1 if data.endswith(b"\r") else 2)
    if not (data[: len(_V2)] == _V2[: len(data)] or _V1.startswith(data)):
        raise ProxyError("no header")
    if len(data) < _FIXED:
        return (len(_V2) if len(data) < len(_V2) else _FIXED) - len(data)
    length = int.from_bytes(data[14:16])
    if length > MAX_V2:
        raise ProxyError("the header is too long")
    return _FIXED + length - len(data)


def parse(header: bytes) -> Proxied | None:
    """What a whole header says; None where it says nothing, so that the socket's own addresses hold.

    Raises ProxyError.
    """
    return _parse_v1(header) if header.startswith(_V1) else _parse_v2(header)


def _parse_v1(header: bytes) -> Proxied | None:
    if len(header) > MAX_V1 or not header.isascii():
        raise ProxyError("no line")
    words = header[:-2].decode().split(" ")
    if words[1] == "UNKNOWN":
        return None
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise ProxyError("neither TCP4 nor TCP6 with two addresses and two ports")
    kind = IPv4Address if words[1] == "TCP4" else IPv6Address
    try:
        source, destination = kind(words[2]), kind(words[3])
    except AddressValueError:
        raise ProxyError("a bad address") from None
    return Proxied((_plain(source), _port(words[4])), (_plain(destination), _port(words[5])))


def _port(word: str) -> int:
    if not word.isdigit() or len(word) > 5 or str(int(word)) != word or int(word) > 65535:
        raise ProxyError("a bad port")
    return int(word)


def _parse_v2(header: bytes) -> Proxied | None:
    command, family, rest = header[12], header[13], header[_FIXED:]
    if command not in (_LOCAL, _PROXY):
        raise ProxyError("an unknown version or command")
    if command == _LOCAL:  # the proxy itself, asking after our health; what follows means nothing
        return None
    size = _ADDRESSES.get(family)
    if size is None or len(rest) < size:
        raise ProxyError("an unknown family, or addresses that are cut")
    _check_tlvs(rest[size:])
    if family not in (_TCP4, _TCP6):
        return None
    kind, width = (IPv4Address, 4) if family == _TCP4 else (IPv6Address, 16)
    ports = 2 * width
    return Proxied(
        (_plain(kind(rest[:width])), int.from_bytes(rest[ports : ports + 2])),
        (_plain(kind(rest[width:ports])), int.from_bytes(rest[ports + 2 : ports + 4])),
    )


def _check_tlvs(data: bytes) -> None:
    """None of them means anything to us, but all of them must be whole (2.2)."""
    while data:
        end = 3 + int.from_bytes(data[1:3])
        if len(data) < end:
            raise ProxyError("a TLV that is cut")
        data = data[end:]


def _plain(address: IPv4Address | IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


async def read_header(client: socket.socket) -> Proxied | None:
    """What the header on a new connection says, as in `parse`.

    Raises ProxyError, OSError, TimeoutError; the connection is then of no use.
    """
    loop, header = asyncio.get_running_loop(), b""
    async with asyncio.timeout(HEADER_TIMEOUT):
        while wanted := missing(header):
            piece = await loop.sock_recv(client, wanted)
            if not piece:
                raise ProxyError("the connection ended within the header")
            header += piece
    return parse(header)
