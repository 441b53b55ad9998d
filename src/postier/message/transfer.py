"""Content-Transfer-Encoding undone (RFC 2045 6): tolerant, in pieces of any size, with bounded memory."""

from __future__ import annotations

import binascii
import re

__all__ = ["CanonicalLines", "TransferDecoder", "decode_transfer", "is_known"]

_IDENTITY = frozenset(("7bit", "8bit", "binary", ""))
_KNOWN = _IDENTITY | {"base64", "quoted-printable"}
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))
_PADDING = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")
_PADDED = (b" \r", b" \n", b"\t\r", b"\t\n")
_LONE_LF = re.compile(rb"(?<!\r)\n")
_LINE_KEPT = 64 * 1024


def is_known(encoding: str) -> bool:
    """True if `encoding`, in lower case, is one of RFC 2045's (RFC 3516 4.3: else UNKNOWN-CTE)."""
    return encoding in _KNOWN


def decode_transfer(data: bytes, encoding: str) -> bytes:
    """The content that `data` encodes; `encoding` in lower case, unknown ones are left as they are."""
    if encoding == "base64":
        return _decode_base64(data.translate(None, _NOT_BASE64))
    if encoding == "quoted-printable":
        return _decode_quoted_printable(data)
    return data


class TransferDecoder:
    """`decode_transfer` for content that comes in chunks: the pieces put together give the same octets (a
    quoted-printable line past 64 KiB, which no standard allows, may be cut differently)."""

    __slots__ = ("_encoding", "_ended", "_rest")

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._rest = b""
        self._ended = False

    def feed(self, chunk: bytes) -> bytes:
        if self._encoding == "base64":
            return self._feed_base64(chunk)
        if self._encoding == "quoted-printable":
            return self._feed_quoted_printable(chunk)
        return chunk

    def finish(self) -> bytes:
        """What was held back."""
        rest, self._rest = self._rest, b""
        return decode_transfer(rest, self._encoding) if rest and not self._ended else b""

    def _feed_base64(self, chunk: bytes) -> bytes:
        if self._ended:
            return b""
        letters = self._rest + chunk.translate(None, _NOT_BASE64)
        if b"=" in letters:
            self._ended = True
            return _decode_base64(letters)
        whole = len(letters) & ~3
        self._rest = letters[whole:]
        return binascii.a2b_base64(letters[:whole])

    def _feed_quoted_printable(self, chunk: bytes) -> bytes:
        data = self._rest + chunk
        cut = data.rfind(b"\n") + 1
        if cut == 0 and len(data) > _LINE_KEPT:
            cut = len(data) - 3  # an escape is not cut in two
            cut -= data[cut - 2 : cut].count(b"=") and cut - data.rfind(b"=", 0, cut)
        self._rest = data[cut:]
        return _decode_quoted_printable(data[:cut]) if cut else b""


class CanonicalLines:
    """Every line of text that comes in chunks ends in CRLF: a LF that stands alone becomes one."""

    __slots__ = ("_after_cr",)

    def __init__(self) -> None:
        self._after_cr = False

    def feed(self, chunk: bytes) -> bytes:
        start = b""
        if self._after_cr and chunk.startswith(b"\n"):
            start, chunk = b"\n", chunk[1:]
        self._after_cr = chunk.endswith(b"\r") if chunk else not start and self._after_cr
        if chunk.count(b"\n") == chunk.count(b"\r\n"):
            return start + chunk
        return start + _LONE_LF.sub(b"\r\n", chunk)


def _decode_base64(letters: bytes) -> bytes:
    """`letters` has the alphabet and "=" only; the first "=" ends the content."""
    letters = letters.partition(b"=")[0]
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _decode_quoted_printable(data: bytes) -> bytes:
    """White space at the end of a line is padding that some transport added (RFC 2045 6.7, rule 3)."""
    if data.endswith((b" ", b"\t")) or any(padded in data for padded in _PADDED):
        data = _PADDING.sub(b"", data)
    return binascii.a2b_qp(data)
