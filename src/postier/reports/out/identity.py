"""As whom this server sends reports: a domain of its own that signs, so that they are aligned themselves."""

from __future__ import annotations

from dataclasses import dataclass

from postier.accounts.domains import signers_for
from postier.base.address import Address
from postier.base.domain import Domain
from postier.mailauth.dkim.sign import Signer
from postier.store.api import Reader

__all__ = ["DAY", "Identity", "NoIdentity", "identity_of"]

DAY = 86_400


class NoIdentity(Exception):
    """Why no report can be sent, for the administrator."""


@dataclass(frozen=True, slots=True)
class Identity:
    """`contact`: who is asked about reports, and From. `signers`: the keys of its domain, at least one."""

    hostname: str
    contact: Address
    signers: tuple[Signer, ...]

    @property
    def domain(self) -> str:
        """The submitter: that of `contact` (RFC 8460 5.3)."""
        return str(self.contact.domain)

    @property
    def organization(self) -> str:
        return self.domain


async def identity_of(reader: Reader, hostname: str, contact: str) -> Identity:
    """`contact`: an address of ours, "" for the postmaster of the host's domain, or of the first of ours.

    Raises NoIdentity.
    """
    if contact:
        try:
            address = Address.parse(contact)
        except ValueError as error:
            raise NoIdentity(f"{contact} is no address: {error}") from error
        signers = await signers_for(reader, str(address.domain))
        if not signers:
            raise NoIdentity(f"{address.domain} is no domain of this server that signs")
        return Identity(hostname, address, signers)
    above = [hostname.split(".", depth)[-1] for depth in range(hostname.count("."))]
    for name in (*above, *sorted([record.name for record in await reader.domains()])):
        signers = await signers_for(reader, name)
        if signers:
            return Identity(hostname, Address("postmaster", Domain(name)), signers)
    raise NoIdentity("no domain of this server has a key to sign with")
