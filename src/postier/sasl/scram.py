"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side (RFC 5802, RFC 7677).

    client-first   n,,n=user,r=fyko          the binding's kind, who, and a nonce
    server-first   r=fyko3rfc,s=QSXC...,i=4096
    client-final   c=biws,r=fyko3rfc,p=...   the binding itself, and the proof
    server-final   v=...                     that we know the keys, too

No password crosses the wire, none is stored: what is stored (ScramKeys) checks a proof and makes none. With
-PLUS the proof also covers the TLS connection, so that nobody in between can pass it on.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

from postier.sasl.api import (
    Challenge,
    Channel,
    Exchange,
    SaltWanted,
    SaslError,
    ScramKeys,
    ScramProof,
    ScramSalt,
    Step,
)

__all__ = ["MAX_MESSAGE", "MIN_ITERATIONS", "Scram", "scram_keys", "scram_signature"]

MIN_ITERATIONS = 4096
"""RFC 7677 4."""
MAX_MESSAGE = 4096
"""Octets of a client's message; RFC 5802 names no limit."""
MAX_NONCE = 1024

_HASH = "sha256"
_NONCE = re.compile(r"[\x21-\x2b\x2d-\x7e]+")  # RFC 5802 7: printable, no comma
_BINDING = re.compile(r"[A-Za-z0-9.-]+")
_EXTENSION = re.compile(r"[A-Za-z]=[^\0,]+")


def scram_keys(password: bytes, salt: bytes, iterations: int) -> ScramKeys:
    """RFC 5802 3. Takes time: `iterations` rounds."""
    salted = hashlib.pbkdf2_hmac(_HASH, password, salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", _HASH)
    return ScramKeys(hashlib.sha256(client_key).digest(), hmac.digest(salted, b"Server Key", _HASH))


def scram_signature(proof: ScramProof, keys: ScramKeys) -> bytes | None:
    """The server's signature where the proof was made with the password of `keys`, else None."""
    signature = hmac.digest(keys.stored_key, proof.messages, _HASH)
    if len(proof.proof) != len(signature):
        return None
    client_key = bytes(a ^ b for a, b in zip(proof.proof, signature, strict=True))
    if not hmac.compare_digest(hashlib.sha256(client_key).digest(), keys.stored_key):
        return None
    return hmac.digest(keys.server_key, proof.messages, _HASH)


class Scram(Exchange):
    """`plus`: the client must bind its proof to this TLS connection."""

    __slots__ = ("_authorization_id", "_bare", "_binding", "_channel", "_name", "_nonce", "_plus", "_said")

    def __init__(self, channel: Channel, *, plus: bool) -> None:
        self._channel = channel
        self._plus = plus
        self._authorization_id = self._name = self._bare = self._nonce = self._said = ""
        self._binding = b""

    def start(self, initial: bytes | None) -> Step:
        return Challenge(b"") if initial is None else self.respond(initial)

    def respond(self, response: bytes) -> Step:
        if len(response) > MAX_MESSAGE:
            raise SaslError("The message is too long")
        try:
            text = response.decode("utf-8")
        except UnicodeDecodeError:
            raise SaslError("Not a SCRAM message: not UTF-8") from None
        return self._final(text) if self._said else self._first(text)

    def _first(self, text: str) -> Step:
        """gs2-header client-first-message-bare"""
        flag, _, rest = text.partition(",")
        authorization_id, comma, bare = rest.partition(",")
        if not comma or (authorization_id and not authorization_id.startswith("a=")):
            raise SaslError("Not a SCRAM message")
        self._binding = f"{flag},{authorization_id},".encode() + self._bound(flag)
        self._authorization_id = _unescaped(authorization_id[2:])
        fields = bare.split(",")
        if fields[0].startswith("m="):
            raise SaslError("extensions-not-supported")
        if len(fields) < 2 or not fields[0].startswith("n=") or not fields[1].startswith("r="):
            raise SaslError("Not a SCRAM message")
        _require_extensions(fields[2:])
        self._name, self._nonce, self._bare = _unescaped(fields[0][2:]), fields[1][2:], bare
        if not self._name:
            raise SaslError("The name is empty")
        if len(self._nonce) > MAX_NONCE or not _NONCE.fullmatch(self._nonce):
            raise SaslError("Not a SCRAM message: the nonce")
        return SaltWanted(self._name)

    def _bound(self, flag: str) -> bytes:
        """RFC 5802 6: the binding that goes with the client's flag."""
        if flag.startswith("p="):
            name = flag[2:]
            if not self._plus or not _BINDING.fullmatch(name):
                raise SaslError("channel-binding-not-supported")
            if name not in self._channel.bindings:
                raise SaslError("unsupported-channel-binding-type")
            return self._channel.bind(name)
        if flag not in ("n", "y"):
            raise SaslError("Not a SCRAM message")
        if self._plus:
            raise SaslError("channel-bindings-dont-match")
        if flag == "y" and self._channel.bindings:  # it would have bound itself: somebody took -PLUS away
            raise SaslError("server-does-support-channel-binding")
        return b""

    def salted(self, salt: ScramSalt) -> Step:
        self._nonce += salt.nonce
        encoded = base64.b64encode(salt.salt).decode()
        self._said = f"r={self._nonce},s={encoded},i={salt.iterations}"
        return Challenge(self._said.encode())

    def _final(self, text: str) -> Step:
        """channel-binding "," nonce ["," extensions] "," proof"""
        without_proof, found, proof = text.rpartition(",p=")
        fields = without_proof.split(",")
        if not found or len(fields) < 2 or not fields[0].startswith("c=") or not fields[1].startswith("r="):
            raise SaslError("Not a SCRAM message")
        _require_extensions(fields[2:])
        if fields[1][2:] != self._nonce:
            raise SaslError("other-error: not the nonce of this exchange")
        if not hmac.compare_digest(_decoded(fields[0][2:]), self._binding):
            raise SaslError("channel-bindings-dont-match")
        messages = f"{self._bare},{self._said},{without_proof}".encode()
        return ScramProof(self._authorization_id, self._name, messages, _decoded(proof))

    def accepted(self, answer: bytes) -> bytes | None:
        return b"v=" + base64.b64encode(answer)


def _require_extensions(fields: list[str]) -> None:
    """Optional extensions that nobody defined yet: well-formed, and ignored."""
    if not all(map(_EXTENSION.fullmatch, fields)):
        raise SaslError("Not a SCRAM message")


def _unescaped(saslname: str) -> str:
    """RFC 5802 5.1: "=2C" is a comma, "=3D" an equals sign, and no other "=" stands in a name."""
    if "\0" in saslname or "=" in saslname.replace("=2C", "").replace("=3D", ""):
        raise SaslError("invalid-username-encoding")
    return saslname.replace("=2C", ",").replace("=3D", "=")


def _decoded(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text.encode(), strict_mode=True)
    except binascii.Error:
        raise SaslError("invalid-encoding") from None
