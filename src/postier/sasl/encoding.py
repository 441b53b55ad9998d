"""Base64 as the mail protocols carry SASL messages (RFC 4648 4; RFC 4954 4, RFC 5034 4, RFC 9051 6.2.2)."""

from __future__ import annotations

import binascii

__all__ = ["MAX_RESPONSE", "decode_base64", "decode_initial_response", "encode_base64"]

MAX_RESPONSE = 12_288
"""Octets of one base64 line without CRLF (RFC 4954 4.5)."""


def decode_base64(line: bytes) -> bytes | None:
    """The message, or None if `line` is not exact base64 (padding, alphabet, no white space) or too long."""
    if len(line) > MAX_RESPONSE:
        return None
    try:
        return binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error:
        return None


def decode_initial_response(argument: bytes) -> bytes | None:
    """As decode_base64; "=" stands for an initial response that is there and empty (RFC 4954 4)."""
    return b"" if argument == b"=" else decode_base64(argument)


def encode_base64(message: bytes) -> bytes:
    return binascii.b2a_base64(message, newline=False)
