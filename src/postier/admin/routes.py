"""The administrator's fixed routes: which host takes the mail of a domain, whatever the DNS says.

Kept in the store as one JSON object, so that all workers on all machines follow the same.
"""

from __future__ import annotations

import ipaddress

import msgspec

from postier.base.domain import Domain
from postier.store.api import Reader, Store, Tx

__all__ = ["ROUTES_META", "Place", "parse_place", "read_routes", "remove_route", "set_route"]

ROUTES_META = "routes"


class Place(msgspec.Struct, frozen=True):
    """`host`: a name or an address."""

    host: str
    port: int


_Routes = dict[str, Place]


def parse_place(text: str) -> Place:
    """From HOST:PORT or [IPV6]:PORT. Raises ValueError with a sentence for a person."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"expected HOST:PORT, found {text!r}")
    host = host.removeprefix("[").removesuffix("]")
    try:
        return Place(str(ipaddress.ip_address(host)), int(port))
    except ValueError:
        return Place(Domain.parse(host).ascii, int(port))


async def read_routes(reader: Reader) -> _Routes:
    """By domain, A-labels."""
    return decode_routes(await reader.meta(ROUTES_META))


def decode_routes(text: str | None) -> _Routes:
    """What the meta fact says; none if it is not set."""
    return msgspec.json.decode(text, type=_Routes) if text else {}


async def set_route(store: Store, domain: Domain, place: Place) -> None:
    async def work(tx: Tx) -> None:
        await _write(tx, {**await read_routes(tx), domain.ascii: place})

    await store.transact(work)


async def remove_route(store: Store, domain: Domain) -> bool:
    """False if there was none."""

    async def work(tx: Tx) -> bool:
        known = await read_routes(tx)
        if known.pop(domain.ascii, None) is None:
            return False
        await _write(tx, known)
        return True

    return await store.transact(work)


async def _write(tx: Tx, known: _Routes) -> None:
    await tx.set_meta(ROUTES_META, msgspec.json.encode(dict(sorted(known.items()))).decode())
