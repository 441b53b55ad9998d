"""What Login asks of others: who a token stands for, and directories that keep the passwords themselves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

__all__ = [
    "CertificateOwners",
    "PasswordDirectory",
    "PasswordRefused",
    "TokenIdentity",
    "TokenRefused",
    "TokenVerifier",
]


@dataclass(frozen=True, slots=True)
class TokenIdentity:
    """`account`: the name of an account here (the directory has it). `expires`: seconds since 1970, 0 for
    unknown."""

    account: str
    expires: float = 0.0


class TokenRefused(Exception):
    """`reason` as in RFC 6750 3.1: "invalid_token" or "insufficient_scope"; `detail` is for the log."""

    def __init__(self, reason: str = "invalid_token", detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


class TokenVerifier(Protocol):
    def told(self, name: str) -> tuple[str, str]:
        """What a client is told of who gives this name ("" for none): the URL of the OpenID configuration
        (RFC 7628 3.2.2) and the scopes that a token must have; "" where there is none."""
        ...

    async def verify(self, token: str, name: str = "") -> TokenIdentity:
        """`name`: whom the client says it is, "" for nobody. Raises TokenRefused, or StoreUnavailable where
        nobody can say now."""
        ...


class CertificateOwners(Protocol):
    async def accounts_of(self, certificate: bytes) -> Collection[str]:
        """The names of the accounts whose owner shows this certificate (DER), which TLS has verified."""
        ...


class PasswordRefused(Exception):
    """The password does not open the account, and the text says why: for the log and for the owner alone."""


class PasswordDirectory(Protocol):
    """Others that know passwords. Where one answers for a name, no password stored here counts for it."""

    async def answers_for(self, name: str) -> bool:
        """This name (NFC, without case) is looked up there. Must not depend on whether it is there."""
        ...

    async def in_use(self) -> bool:
        """It answers for anybody at all."""
        ...

    async def check(self, name: str, password: str, *, known: bool = False) -> str:
        """The name of the account here whose owner this is, made now if need be; "" for a wrong password,
        and for nobody, which take the same time. `known`: its owner has logged in from there before. Raises
        PasswordRefused where there is more to say, StoreUnavailable where nobody can say now."""
        ...
