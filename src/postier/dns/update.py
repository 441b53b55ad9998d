"""Changing zones on their primary server: dynamic updates (RFC 2136), signed with TSIG (RFC 8945).

Everything goes over TCP and is signed, the questions too; an answer that is not signed with the same key
counts for nothing. Each update says what must still be there (RFC 2136 2.4), so that whoever changes the
zone at the same time is not overwritten.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.tsig
import dns.update

from postier.dns.edit import IsAlias, NotInZones, RecordSet, UpdateError, ZoneChange, ZoneRecord

__all__ = ["ALGORITHMS", "TsigKey", "ZoneUpdater", "parse_key_file"]

ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512")
NAME_TYPES = frozenset({"CNAME", "MX", "SRV"})
"""Types whose RDATA ends in a name."""
_SECRET = re.compile(r'\bsecret\s+"?([A-Za-z0-9+/=]+)"?\s*;')
_KEY = re.compile(r'\bkey\s+"?([A-Za-z0-9._-]+)"?\s*\{')
_ALGORITHM = re.compile(r'\balgorithm\s+"?([A-Za-z0-9.-]+)"?\s*;')
_REFUSALS: dict[int, str] = {
    dns.rcode.REFUSED: "the server refuses it; is the key allowed to change the zone?",
    dns.rcode.NOTAUTH: "the server does not take the key, or does not have the zone",
    dns.rcode.NXRRSET: "somebody has changed the zone meanwhile; look again",
    dns.rcode.YXRRSET: "somebody has changed the zone meanwhile; look again",
}
_CLASS = dns.rdataclass.IN


@dataclass(frozen=True, slots=True, repr=False)
class TsigKey:
    """`algorithm`: one of ALGORITHMS. Never shown: it has no repr."""

    name: str
    algorithm: str
    secret: bytes


def parse_key_file(text: str, name: str = "", algorithm: str = ALGORITHMS[0]) -> TsigKey:
    """A file as BIND's tsig-keygen writes it, or one with nothing but the secret in Base64.

    `name` and `algorithm` are for a file that does not say them. Raises ValueError, without the secret.
    """
    secret, named, stated = (pattern.search(text) for pattern in (_SECRET, _KEY, _ALGORITHM))
    name = named.group(1) if named else name
    algorithm = (stated.group(1) if stated else algorithm).lower().removesuffix(".")
    if not name:
        raise ValueError("the key has no name")
    if algorithm not in ALGORITHMS:
        raise ValueError(f"the algorithm of the key is none of {', '.join(ALGORITHMS)}")
    try:
        octets = base64.b64decode((secret.group(1) if secret else text).strip(), validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if not octets:
        raise ValueError("there is no secret in Base64")
    return TsigKey(name, algorithm, octets)


class ZoneUpdater:
    """The ZoneEditor of dns/edit.py. `zone`: the one that may be changed, "" for all that the server has."""

    def __init__(self, server: tuple[str, int], key: TsigKey, *, zone: str = "", timeout: float = 10) -> None:
        self._server = server
        self._key = key
        self._keyring = {dns.name.from_text(key.name): key.secret}
        self._zone = zone.lower().removesuffix(".")
        self._timeout = timeout

    async def zone_of(self, name: str) -> str:
        if self._zone:
            if name == self._zone or name.endswith(f".{self._zone}"):
                return self._zone
            raise NotInZones(f"{name} is not in the zone {self._zone}")
        parent = name
        while parent:
            response = await self._ask(parent, "SOA")
            if not response.flags & dns.flags.AA and response.authority:
                break  # a referral: the zone is elsewhere
            for rrset in (*response.answer, *response.authority):
                if rrset.rdtype == dns.rdatatype.SOA and response.flags & dns.flags.AA:
                    return rrset.name.to_text(omit_final_dot=True).lower()
            parent = parent.partition(".")[2]
        raise NotInZones(f"the server has no zone for {name}")

    async def read(self, name: str, kind: str) -> RecordSet:
        response = await self._ask(name, kind)
        if not response.flags & dns.flags.AA:
            raise UpdateError(f"the server has no zone for {name}")
        owner, rdtype = dns.name.from_text(name), dns.rdatatype.from_text(kind)
        for rrset in response.answer:
            if rrset.name == owner and rrset.rdtype == rdtype:
                records = sorted(map(_record, rrset), key=lambda record: record.data)
                return RecordSet(name, kind, tuple(records), rrset.ttl)
        if any(rrset.rdtype == dns.rdatatype.CNAME for rrset in response.answer):
            raise IsAlias(f"{name} is another name for something else (CNAME)")
        return RecordSet(name, kind)

    async def change(self, zone: str, changes: Sequence[ZoneChange]) -> None:
        message = dns.update.UpdateMessage(zone)
        for change in changes:
            before = change.before
            owner, kind = dns.name.from_text(before.name), dns.rdatatype.from_text(before.type)
            if before.records:
                message.present(owner, *(_rdata(kind, record.data) for record in before.records))
            else:
                message.absent(owner, kind)
            for record in change.remove:
                message.delete(owner, _rdata(kind, record.data))
            for value in change.add:
                message.add(owner, before.ttl, _to_rdata(kind, value))
        await self._exchange(message)

    async def _ask(self, name: str, kind: str) -> dns.message.Message:
        query = dns.message.make_query(dns.name.from_text(name), kind, flags=0)
        return await self._exchange(query, fine=(dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.REFUSED))

    async def _exchange(
        self, message: dns.message.Message, fine: Sequence[dns.rcode.Rcode] = (dns.rcode.NOERROR,)
    ) -> dns.message.Message:
        message.use_tsig(self._keyring, dns.name.from_text(self._key.name), algorithm=self._key.algorithm)
        host, port = self._server
        data = b""
        try:
            async with asyncio.timeout(self._timeout):
                data = await _over_tcp(host, port, message.to_wire())
            response = dns.message.from_wire(data, keyring=self._keyring, request_mac=message.mac)
        except TimeoutError:
            raise UpdateError(f"{host} port {port} does not answer in time") from None
        except (OSError, asyncio.IncompleteReadError) as error:
            raise UpdateError(f"{host} port {port} cannot be asked: {error}") from None
        except (dns.tsig.PeerBadKey, dns.tsig.PeerBadSignature):
            raise UpdateError(
                f"the server does not know the key {self._key.name}, or its secret differs"
            ) from None
        except dns.tsig.PeerBadTime:
            raise UpdateError("the clocks of the server and of this machine differ by too much") from None
        except dns.exception.DNSException as error:
            said = f"{host} port {port} answers what cannot be believed: {error}"
            raise UpdateError(_refusal(data[3] & 15 if len(data) > 3 else 0, said)) from None
        if response.id != message.id or not response.flags & dns.flags.QR or not response.had_tsig:
            raise UpdateError(f"{host} port {port} gives an answer that is not signed")
        if response.rcode() not in fine:
            raise UpdateError(_refusal(response.rcode(), dns.rcode.to_text(response.rcode())))
        return response


def _refusal(rcode: int, otherwise: str) -> str:
    """What a person can do about it; true of answers that are not signed as well, which change nothing."""
    return _REFUSALS.get(rcode, otherwise)


async def _over_tcp(host: str, port: int, wire: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(struct.pack("!H", len(wire)) + wire)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)
    finally:
        writer.close()


def _record(rdata: dns.rdata.Rdata) -> ZoneRecord:
    data = rdata.to_wire()
    kind = dns.rdatatype.to_text(rdata.rdtype)
    if kind == "TXT":
        text = b"".join(cast("Any", rdata).strings).decode("utf-8", "replace")
    elif kind in NAME_TYPES:
        text = rdata.to_text().removesuffix(".").lower()
    else:
        text = rdata.to_text()
    return ZoneRecord(text, cast("bytes", data))


def _rdata(kind: dns.rdatatype.RdataType, data: bytes) -> dns.rdata.Rdata:
    return dns.rdata.from_wire(_CLASS, kind, data, 0, len(data))


def _to_rdata(kind: dns.rdatatype.RdataType, value: str) -> dns.rdata.Rdata:
    if kind == dns.rdatatype.TXT:
        octets = value.encode()
        pieces = [octets[i : i + 255] for i in range(0, len(octets), 255)]
        return dns.rdtypes.ANY.TXT.TXT(_CLASS, kind, pieces)
    name_end = "." if dns.rdatatype.to_text(kind) in NAME_TYPES else ""
    return dns.rdata.from_text(_CLASS, kind, value.removesuffix(".") + name_end if name_end else value)
