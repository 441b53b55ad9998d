"""What a mechanism is to whoever runs it (`accounts.exchange` does, for every protocol).

    exchange = MECHANISMS[name].make(channel)
    step = exchange.start(initial_response)
    while True:
        match step:
            case Challenge(data):    step = exchange.respond(await ask_the_client(data))
            case SaltWanted(name):   step = exchange.salted(await the_salt_of(name))
            case _:                  break                # a Proof: what the client claims

An exchange computes nothing but its own messages: it looks nothing up and decides nothing. It ends in a
Proof, which `accounts.login` checks, each kind in its own way. What a mechanism says behind that (the
server's signature in SCRAM, why a token was refused) are `accepted` and `refused`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = [
    "BearerToken",
    "Challenge",
    "Channel",
    "ClientCertificate",
    "Credentials",
    "Exchange",
    "Mechanism",
    "Proof",
    "SaltWanted",
    "SaslError",
    "ScramKeys",
    "ScramProof",
    "ScramSalt",
    "Step",
]


class SaslError(Exception):
    """The client's message is not what the mechanism asks for; the text may be shown to it."""


def _no_binding(name: str) -> bytes:
    raise ValueError(f"{name} is not known of this connection")


@dataclass(frozen=True, slots=True)
class Channel:
    """What mechanisms may know of the connection below them.

    `confidential`: TLS hides what is said, or clear text is allowed here. `bindings`: the channel bindings
    (RFC 5056) that `bind` can compute. `certificate`: the client's own, DER, verified by TLS; b"" for none.
    """

    confidential: bool = False
    bindings: tuple[str, ...] = ()
    bind: Callable[[str], bytes] = _no_binding
    certificate: bytes = b""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send `data` to the client (in the protocol's base64) and give its answer to `respond`."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SaltWanted:
    """SCRAM cannot go on without the salt of whoever has this name; give it to `salted`."""

    authentication_id: str


@dataclass(frozen=True, slots=True)
class ScramSalt:
    """`nonce`: what the server adds to the client's (RFC 5802 5.1: printable, no comma)."""

    salt: bytes
    iterations: int
    nonce: str


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What is stored of one password (RFC 5802 3)."""

    stored_key: bytes
    server_key: bytes


@dataclass(frozen=True, slots=True)
class _Claim:
    """`authorization_id` is "" where the client asks for no other identity (RFC 4422 2)."""

    authorization_id: str
    authentication_id: str


@dataclass(frozen=True, slots=True)
class Credentials(_Claim):
    """A name and its password, in the clear of this process."""

    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.authorization_id!r}, {self.authentication_id!r}, ...)"


@dataclass(frozen=True, slots=True)
class ScramProof(_Claim):
    """RFC 5802 3: that the client knows the password. `messages` is AuthMessage, `proof` is ClientProof."""

    messages: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class BearerToken(_Claim):
    """RFC 6750: whoever bears it gets in. `authentication_id` is what XOAUTH2 and many clients of
    OAUTHBEARER give beside it: it must be the name that the token itself stands for, or "". Without a token
    the client asks whom to ask for one."""

    token: str

    def __repr__(self) -> str:
        return f"BearerToken({self.authorization_id!r}, {self.authentication_id!r}, ...)"


@dataclass(frozen=True, slots=True)
class ClientCertificate(_Claim):
    """RFC 4422 A: TLS has verified the certificate (DER); `authentication_id` is ""."""

    certificate: bytes


Proof = Credentials | ScramProof | BearerToken | ClientCertificate
Step = Challenge | SaltWanted | Proof


class Exchange:
    """One authentication. The methods that take a message raise SaslError, and then the exchange is over."""

    __slots__ = ()

    def start(self, initial: bytes | None) -> Step:
        """Begin; `initial` is the client's initial response, decoded, or None if it sent none."""
        raise NotImplementedError

    def respond(self, response: bytes) -> Step:
        """The client's answer to the last challenge, decoded."""
        raise NotImplementedError

    def salted(self, salt: ScramSalt) -> Step:
        """The answer to SaltWanted."""
        raise SaslError("This mechanism knows no salt")

    def accepted(self, answer: bytes) -> bytes | None:
        """The client is in: a last challenge, to which its answer is empty; None for none. `answer` is what
        the check of the proof found beside: the server's signature in SCRAM."""
        return None

    def refused(self, facts: Mapping[str, str]) -> bytes | None:
        """The client is refused: a last challenge before it is told so; None for none. `facts`: what is told
        of a token that was refused (RFC 7628 3.2.2), none otherwise."""
        return None


@dataclass(frozen=True, slots=True)
class Mechanism:
    """`ends_in`: the kind of Proof; offered only by who can check it. `possible`: on this channel. Strong
    ones stand before weak ones in the list."""

    name: str
    make: Callable[[Channel], Exchange]
    ends_in: type[Proof]
    possible: Callable[[Channel], bool]
    rfc: str
