"""The name a client gives itself in EHLO or HELO (RFC 5321 4.1.1.1): what is odd about it.

RFC 5321 4.1.4 forbids refusing mail for a name that does not fit the address, as honest hosts get it wrong
every day. So nothing here is more than odd, save one: nobody from outside has our own name.
"""

from __future__ import annotations

from postier.base.domain import AddressLiteral
from postier.filter.networks import IpAddress, is_inside, parse_ip

__all__ = ["is_our_own_name", "oddity_of_name"]


def oddity_of_name(name: str, peer: IpAddress) -> str:
    """ "bare" without a dot, "literal" of an address that is not the client's, "number" for an IP address
    without brackets, "" for a name that is well."""
    if name.startswith("["):
        try:
            return "" if AddressLiteral.parse(name).address == peer else "literal"
        except ValueError:
            return "literal"
    if parse_ip(name) is not None:
        return "number"
    return "" if "." in name else "bare"


def is_our_own_name(name: str, peer: IpAddress, hostname: str, local: IpAddress | None) -> bool:
    """Whether somebody at `peer` who is not this machine calls himself `hostname`, or by our address
    `local`."""
    if peer == local or is_inside(peer):
        return False
    if name.startswith("["):
        return local is not None and oddity_of_name(name, local) == ""
    return name.lower() == hostname or (local is not None and parse_ip(name) == local)
