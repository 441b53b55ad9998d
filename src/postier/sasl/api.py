"""What a mechanism is to the session that runs it.

    exchange = MECHANISMS[name].make()
    step = exchange.start(initial_response)
    while isinstance(step, Challenge):
        step = exchange.respond(await ask_the_client(step.data))

An exchange computes nothing but its own messages: it looks nothing up and checks no password. It ends in
Credentials, which the session takes to `accounts.login`. A mechanism that proves a password without
showing it will end in a step of its own kind, which asks the session for the stored keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Challenge", "Credentials", "Exchange", "Mechanism", "SaslError", "Step"]


class SaslError(Exception):
    """The client's message is not what the mechanism asks for; the text may be shown to it."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send `data` to the client (in the protocol's base64) and give its answer to `respond`."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the client claims. `authorization_id` is "" where it asks for no other identity (RFC 4422 2)."""

    authorization_id: str
    authentication_id: str
    password: str

    @property
    def acts_for_itself(self) -> bool:
        """False if the client wants to act as somebody else, which needs a right of its own."""
        return self.authorization_id in ("", self.authentication_id)

    def __repr__(self) -> str:
        return f"Credentials({self.authorization_id!r}, {self.authentication_id!r}, ...)"


Step = Challenge | Credentials


class Exchange(Protocol):
    """One authentication. Both methods raise SaslError, and then the exchange is over."""

    def start(self, initial: bytes | None) -> Step:
        """Begin; `initial` is the client's initial response, decoded, or None if it sent none."""
        ...

    def respond(self, response: bytes) -> Step:
        """The client's answer to the last challenge, decoded."""
        ...


@dataclass(frozen=True, slots=True)
class Mechanism:
    """`secret_in_clear`: only TLS hides the password, so it is not offered without."""

    name: str
    make: Callable[[], Exchange]
    secret_in_clear: bool
    rfc: str
