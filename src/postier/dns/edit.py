"""What is asked of a server whose zones we may change: read what is there, then change it in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["IsAlias", "NotInZones", "RecordSet", "UpdateError", "ZoneChange", "ZoneEditor", "ZoneRecord"]


class UpdateError(Exception):
    """The server did not do it, and why: one line for a person. Nothing was changed."""


class NotInZones(UpdateError):
    """The name belongs to a zone that this server does not have, or that we may not change."""


class IsAlias(UpdateError):
    """The name has a CNAME, so it can have nothing else."""


@dataclass(frozen=True, slots=True)
class ZoneRecord:
    """`value` in a zone file's words, names without the final dot, TXT in one piece; `data`: the RDATA as it
    goes over the wire, which alone says how a TXT is cut."""

    value: str
    data: bytes


@dataclass(frozen=True, slots=True)
class RecordSet:
    """The records of one name and type; `ttl` in seconds."""

    name: str
    type: str
    records: tuple[ZoneRecord, ...] = ()
    ttl: int = 3600


@dataclass(frozen=True, slots=True)
class ZoneChange:
    """What to take out of `before` and what to put in (`add`: values as in ZoneRecord)."""

    before: RecordSet
    remove: tuple[ZoneRecord, ...] = ()
    add: tuple[str, ...] = ()


class ZoneEditor(Protocol):
    """Every method raises UpdateError."""

    async def zone_of(self, name: str) -> str:
        """The zone that holds `name`. Raises NotInZones."""
        ...

    async def read(self, name: str, kind: str) -> RecordSet:
        """What the zone has now, not what caches remember. `kind`: a type such as "TXT". Raises IsAlias."""
        ...

    async def change(self, zone: str, changes: Sequence[ZoneChange]) -> None:
        """All of them or none; none also where anything is not as `before` says any more."""
        ...
