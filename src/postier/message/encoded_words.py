"""Encoded-words: text other than ASCII in header fields (RFC 2047, language tags of RFC 2231 5)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from postier.message import charsets
from postier.message.headers import unfold

__all__ = ["decode_text", "encode_text"]

_WORD = re.compile(rb"=\?([^?\x00-\x20*]{1,60})(?:\*[^?\x00-\x20]{0,60})?\?([bBqQ])\?([^?]*)\?=")
_GAP = re.compile(rb"[ \t]*")
_NOT_BASE64 = bytes(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
)
_WORD_OCTETS = 39  # of text: base64 makes 52 of them, and 64 with its frame, so that "Subject: " fits before
_Q_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q_FORM = tuple(
    "_" if octet == 32 else chr(octet) if octet in _Q_PLAIN else f"={octet:02X}" for octet in range(256)
)


def decode_text(raw: bytes) -> str:
    """Unstructured field text, unfolded and decoded, without white space around it.

    White space between two encoded-words is dropped, and their octets are joined before decoding if the
    charset is the same, since senders cut characters in two. Raw octets are read as UTF-8. NUL is shown as
    U+FFFD.
    """
    raw = unfold(raw).strip(b" \t")
    text = charsets.decode_unknown(raw) if b"=?" not in raw else "".join(_decoded(raw))
    return text.replace("\0", "\ufffd") if "\0" in text else text


def _decoded(raw: bytes) -> Iterator[str]:
    """The pieces of `raw`: text between encoded-words, and runs of encoded-words of one charset."""
    done = 0
    charset, octets = "", b""
    run: list[bytes] = []
    for match in _WORD.finditer(raw):
        start = match.start()
        name = match[1].decode("latin-1").lower()
        adjacent = bool(run) and _GAP.fullmatch(raw, done, start) is not None
        if run and (not adjacent or name != charset):
            octets = b"".join(run)
            yield charsets.decode(octets, charset)
            run = []
        if not adjacent and start > done:
            yield charsets.decode_unknown(raw[done:start])
        charset = name
        run.append(_from_base64(match[3]) if match[2] in b"bB" else _from_q(match[3]))
        done = match.end()
    if run:
        yield charsets.decode(b"".join(run), charset)
    yield charsets.decode_unknown(raw[done:])


def _from_q(text: bytes) -> bytes:
    return binascii.a2b_qp(text, header=True)


def _from_base64(text: bytes) -> bytes:
    letters = text.translate(None, _NOT_BASE64)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def encode_text(text: str) -> bytes:
    """`text` for an unstructured field or a phrase: as it is if that is ASCII and says what it means, else
    encoded-words of at most 75 characters, separated by a space where the field may be folded.

    Raises ValueError if CR, LF or NUL stands in it.
    """
    if any(control in text for control in "\r\n\0"):
        raise ValueError("header text holds CR, LF or NUL")
    if text.isascii() and "=?" not in text:
        return text.encode()
    return b" ".join(_encoded_word(piece) for piece in _pieces(text))


def _pieces(text: str) -> Iterator[bytes]:
    """`text` in UTF-8, cut between characters into at most _WORD_OCTETS octets each."""
    piece = bytearray()
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(piece) + len(octets) > _WORD_OCTETS:
            yield bytes(piece)
            piece.clear()
        piece += octets
    yield bytes(piece)


def _encoded_word(octets: bytes) -> bytes:
    """The Q form where it is no longer than the B form, since people can read it."""
    q = "".join([_Q_FORM[octet] for octet in octets]).encode()
    b = base64.b64encode(octets)
    return b"=?utf-8?q?" + q + b"?=" if len(q) <= len(b) else b"=?utf-8?b?" + b + b"?="
