"""Keying material that TLS exports (RFC 5705), which Python's ssl has no way to ask for.

OpenSSL has the function, and the object below `ssl`'s own holds a pointer to OpenSSL's connection. That
pointer is read where it stands in CPython 3.11 to 3.14, and only where its neighbour proves that the object
is laid out as expected: the field behind it must be the very context that the object says it has. Where that
does not hold, or OpenSSL's functions cannot be found, nothing is exported and nobody is promised anything.
"""

from __future__ import annotations

import ctypes
import ssl
from functools import cache
from typing import Any

__all__ = ["export", "has_extended_master_secret"]

_GET_EXTMS_SUPPORT = 122
"""SSL_CTRL_GET_EXTMS_SUPPORT of OpenSSL's ssl.h."""


class _SslObject(ctypes.Structure):
    """The beginning of CPython's PySSLSocket."""

    _fields_ = (
        ("references", ctypes.c_ssize_t),
        ("type", ctypes.c_void_p),
        ("socket", ctypes.c_void_p),
        ("ssl", ctypes.c_void_p),
        ("context", ctypes.c_void_p),
    )


@cache
def _library() -> Any:
    """OpenSSL as this Python uses it, None where its functions are not to be had."""
    try:
        import _ssl

        library = ctypes.CDLL(_ssl.__file__)
        export, control = library.SSL_export_keying_material, library.SSL_ctrl
    except (ImportError, AttributeError, OSError):
        return None
    size, text, pointer = ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p
    export.argtypes = (pointer, text, size, text, size, text, size, ctypes.c_int)
    export.restype = ctypes.c_int
    control.argtypes = (pointer, ctypes.c_int, ctypes.c_long, pointer)
    control.restype = ctypes.c_long
    return library


def _pointer(channel: ssl.SSLObject | ssl.SSLSocket) -> int | None:
    """To OpenSSL's connection; the caller keeps `channel` while it is used. None where it is not sure."""
    inner = getattr(channel, "_sslobj", None)
    if inner is None or type(inner).__basicsize__ < ctypes.sizeof(_SslObject):
        return None
    seen = _SslObject.from_address(id(inner))
    if seen.type != id(type(inner)) or seen.context != id(inner.context) or not seen.ssl:
        return None
    return int(seen.ssl)


def export(channel: ssl.SSLObject | ssl.SSLSocket, label: bytes, length: int) -> bytes:
    """`length` octets of keying material without a context, b"" where there is no way to it."""
    library, pointer = _library(), _pointer(channel)
    if library is None or pointer is None or channel.version() is None:
        return b""
    out = ctypes.create_string_buffer(length)
    done = library.SSL_export_keying_material(pointer, out, length, label, len(label), None, 0, 0)
    return out.raw if done == 1 else b""


def has_extended_master_secret(channel: ssl.SSLObject | ssl.SSLSocket) -> bool:
    """RFC 7627, without which a binding of TLS 1.2 can be forged (RFC 9266 4.2). False where nobody knows."""
    library, pointer = _library(), _pointer(channel)
    if library is None or pointer is None:
        return False
    return bool(library.SSL_ctrl(pointer, _GET_EXTMS_SUPPORT, 0, None) == 1)
