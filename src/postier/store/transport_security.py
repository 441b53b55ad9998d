"""What the store keeps of the TLS of other domains: values and interfaces, part of store.api."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

__all__ = ["FetchedPolicy", "TlsContract", "TlsResult", "TransportSecurityReader", "TransportSecurityTx"]


class FetchedPolicy(NamedTuple):
    """The MTA-STS policy of `domain` (RFC 8461): `policy_id` from the DNS, `policy` the document.

    `fetched`, `expires`: seconds since 1970.
    """

    domain: str
    policy_id: str
    fetched: int
    expires: int
    policy: str


class TlsContract(NamedTuple):
    """Mail for `domain` (A-labels) goes over TLS to a host with a good certificate, or waits.

    `name`: that the certificate must be for, "" for the host's own. `authorities`: path of a PEM file to
    believe instead of the system's, "" for those.
    """

    domain: str
    name: str = ""
    authorities: str = ""


class TlsResult(NamedTuple):
    """How TLS went with `host` under a policy, on one day (since 1970, UTC).

    `domain`: against which the policy is defined; `kind`: "sts", "tlsa" or "no-policy-found"; `policy`: its
    lines. `source`: our address, "" where none was used. `result`: the result type of RFC 8460 4.3, "" if all
    was well; `detail`: in words. `destination`: the domain whose mail it was.
    """

    day: int
    domain: str
    kind: str
    host: str
    source: str
    result: str
    policy: str = ""
    detail: str = ""
    destination: str = ""


class TransportSecurityReader(Protocol):
    async def fetched_policy(self, domain: str) -> FetchedPolicy | None:
        """Also one that has expired, while it is there."""
        ...

    async def tls_contract(self, domain: str) -> TlsContract | None: ...

    async def tls_contracts(self) -> list[TlsContract]:
        """By domain."""
        ...

    async def tls_results(self, first: int, last: int, destination: str = "") -> list[tuple[TlsResult, int]]:
        """Of these days and those between, with the number of sessions; ordered by all their fields.

        `destination`: only of mail for that domain.
        """
        ...

    async def tls_destinations(self, day: int) -> list[str]:
        """Domains whose mail went out on that day, or should have; ordered."""
        ...


class TransportSecurityTx(TransportSecurityReader, Protocol):
    async def set_fetched_policy(self, policy: FetchedPolicy) -> None:
        """Adds it, or replaces the one of its domain."""
        ...

    async def forget_fetched_policies(self, before: int) -> int:
        """Remove those that expired earlier than `before`. Returns how many."""
        ...

    async def add_tls_results(self, counts: Mapping[TlsResult, int]) -> None:
        """Sessions that are added to those of equal day, domain, kind, host, source, result and destination;
        the other fields are replaced."""
        ...

    async def forget_tls_results(self, before: int) -> int:
        """Remove those of earlier days. Returns how many."""
        ...

    async def set_tls_contract(self, contract: TlsContract) -> None:
        """Adds it, or replaces the one of its domain."""
        ...

    async def remove_tls_contract(self, domain: str) -> bool:
        """False if there was none."""
        ...
