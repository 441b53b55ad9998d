"""The client's side of the mechanisms, for servers that we log in to (RFC 4422).

    exchange = choose(offered, name, password)
    response = exchange.first                       # None: no initial response
    while (challenge := await the_server(response)) is not None:
        response = exchange.answer(challenge)
    exchange.finish()

`answer` and `finish` raise SaslError where the server does not prove what the mechanism asks of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection
from typing import Protocol

from postier.sasl.api import SaslError

__all__ = ["ClientExchange", "choose"]

MAX_ITERATIONS = 1_000_000
"""A server may ask us to compute so long and no longer: half a second or so."""


class ClientExchange(Protocol):
    """`mechanism`: its name. `first`: the initial response, None for none."""

    @property
    def mechanism(self) -> str: ...

    @property
    def first(self) -> bytes | None: ...

    def answer(self, challenge: bytes) -> bytes: ...

    def finish(self) -> None:
        """The server said yes. Raises SaslError if it may be somebody else."""
        ...


class _Plain:
    """RFC 4616."""

    mechanism = "PLAIN"

    def __init__(self, name: str, password: str) -> None:
        self.first = b"\0".join((b"", name.encode(), password.encode()))

    def answer(self, challenge: bytes) -> bytes:
        return self.first

    def finish(self) -> None: ...


class _Login:
    """No standard: the name, then the password."""

    mechanism = "LOGIN"
    first = None

    def __init__(self, name: str, password: str) -> None:
        self._answers = [name.encode(), password.encode()]

    def answer(self, challenge: bytes) -> bytes:
        if not self._answers:
            raise SaslError("a third question in LOGIN")
        return self._answers.pop(0)

    def finish(self) -> None: ...


class _ScramSha256:
    """RFC 5802, RFC 7677, without channel binding: the server learns no password, and proves that it knows
    it."""

    mechanism = "SCRAM-SHA-256"

    def __init__(self, name: str, password: str, nonce: str = "") -> None:
        self._password = password.encode()
        self._nonce = nonce or base64.b64encode(secrets.token_bytes(18)).decode()
        escaped = name.replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={escaped},r={self._nonce}"
        self.first = f"n,,{self._bare}".encode()
        self._signature = b""
        self._proved = False

    def answer(self, challenge: bytes) -> bytes:
        if self._signature:
            return self._final(challenge)
        said = _attributes(challenge)
        nonce = said.get("r", "")
        try:
            salt, iterations = binascii.a2b_base64(said["s"], strict_mode=True), int(said["i"])
        except (KeyError, ValueError):
            raise SaslError("not a SCRAM challenge") from None
        if not nonce.startswith(self._nonce) or nonce == self._nonce or not 0 < iterations <= MAX_ITERATIONS:
            raise SaslError("not a SCRAM challenge of this exchange")
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
        key = hmac.digest(salted, b"Client Key", "sha256")
        final = f"c=biws,r={nonce}"
        message = b",".join((self._bare.encode(), challenge, final.encode()))
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        self._signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        return f"{final},p={base64.b64encode(proof).decode()}".encode()

    def finish(self) -> None:
        if not self._proved:
            raise SaslError("the server did not prove that it knows the password")

    def _final(self, challenge: bytes) -> bytes:
        said = _attributes(challenge)
        expected = base64.b64encode(self._signature).decode()
        if not hmac.compare_digest(said.get("v", "").encode(), expected.encode()):
            raise SaslError("the server does not know the password")
        self._proved = True
        return b""


def _attributes(message: bytes) -> dict[str, str]:
    words = message.decode("utf-8", "replace").split(",")
    return {word[0]: word[2:] for word in words if word[1:2] == "="}


_BY_PREFERENCE: dict[str, Callable[[str, str], ClientExchange]] = {
    "SCRAM-SHA-256": _ScramSha256,
    "PLAIN": _Plain,
    "LOGIN": _Login,
}


def choose(offered: Collection[str], name: str, password: str) -> ClientExchange | None:
    """The best mechanism of those `offered` (upper case); None if we know none."""
    make = next((make for mechanism, make in _BY_PREFERENCE.items() if mechanism in offered), None)
    return make(name, password) if make is not None else None
