"""What the store keeps of getting certificates by ACME (RFC 8555): values and interfaces, part of store.api.

Everything that a worker needs to take up what another one began, or it itself before it was killed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

__all__ = ["AcmeAccount", "AcmeChallenge", "AcmeReader", "AcmeTx", "Renewal"]


@dataclass(frozen=True, slots=True)
class AcmeAccount:
    """Our account at the authority whose directory has the URL `directory` (RFC 8555 7.1.2).

    `key`: PEM. `uri`: what the authority calls it, "" until it is there. `contact`: as it was told last.
    `kid`: the external account that it was bound to (RFC 8555 7.3.4). `authorities`: what the authority is
    called in CAA records (RFC 8555 7.1.1).
    """

    directory: str
    key: str = field(repr=False)
    uri: str = ""
    contact: tuple[str, ...] = ()
    kid: str = ""
    authorities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Renewal:
    """How it stands with the certificate for one `subject`: this server's name, or a domain.

    `directory`, `order`, `names`, `key`: of the order under way (RFC 8555 7.1.3): where, its URL ("" before
    it is known), what for, and the private key (PEM) that its certificate is to have; no `key`, no order.
    `next_key`: PEM, announced by TLSA since `next_since`, to be used at the next renewal. `certificate`: the
    name of the one that it has now, "" for none. `tries`: when orders were begun, those that still count.
    `failures`: in a row. `wait_until`: when to try again by our own reckoning; `told_until`: before when the
    authority wants to hear nothing. `renew_at`: when a new certificate is due; `ask_at`: when to ask the
    authority about that again (RFC 9773), 0 for at once. `problem`: why the last try failed, "" if it did
    not. `left_out`: names that are not asked for, each with the reason. `refused`: names that the authority
    did not believe us, left out until the next renewal so that the others get theirs. Moments in seconds
    since 1970.
    """

    subject: str
    directory: str = ""
    order: str = ""
    names: tuple[str, ...] = ()
    key: str = field(default="", repr=False)
    next_key: str = field(default="", repr=False)
    next_since: int = 0
    certificate: str = ""
    tries: tuple[int, ...] = ()
    failures: int = 0
    wait_until: int = 0
    told_until: int = 0
    renew_at: int = 0
    ask_at: int = 0
    problem: str = ""
    left_out: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


class AcmeChallenge(NamedTuple):
    """What is to be shown to an authority. `kind`: "http-01", "tls-alpn-01" or "dns-01" (RFC 8555 8).

    `place`: the token, the name asked for, or the name of the TXT record. `proof`: the key authorization, for
    dns-01 the record's text. `expires`: when nobody asks for it any more, in seconds since 1970.
    """

    kind: str
    place: str
    proof: str
    expires: int


class AcmeReader(Protocol):
    async def acme_account(self, directory: str) -> AcmeAccount | None: ...

    async def renewals(self) -> list[Renewal]:
        """By subject."""
        ...

    async def renewal(self, subject: str) -> Renewal | None: ...

    async def acme_challenges(self, kind: str) -> list[AcmeChallenge]:
        """Also those that have expired; by place and proof."""
        ...

    async def acme_proof(self, kind: str, place: str) -> str:
        """What is to be shown there, "" for nothing."""
        ...


class AcmeTx(AcmeReader, Protocol):
    async def set_acme_account(self, account: AcmeAccount) -> None:
        """Adds it, or replaces the one of its directory."""
        ...

    async def set_renewal(self, renewal: Renewal) -> None:
        """Adds it, or replaces the one of its subject."""
        ...

    async def remove_renewal(self, subject: str) -> bool:
        """False if there was none."""
        ...

    async def set_acme_challenge(self, challenge: AcmeChallenge) -> None:
        """Adds it, or changes when it expires."""
        ...

    async def remove_acme_challenge(self, challenge: AcmeChallenge) -> None: ...
