"""A primary name server of one zone that takes signed updates: RFC 2136 as far as tests need it, over TCP.

    async with UpdateServer("a.example", key) as server:
        ZoneUpdater(("127.0.0.1", server.port), key)

Whoever holds it may look at `records`, change it between two questions (`before_update`), or make it answer
without a signature (`signs`).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any, Self, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update

from postier.dns.update import TsigKey

__all__ = ["UpdateServer"]

Key = tuple[str, str]
SOA = "ns.invalid. hostmaster.invalid. 1 3600 600 86400 300"


class UpdateServer:
    """`records`: by (name, type), as texts of RDATA; names end in no dot there, in RDATA they do."""

    def __init__(self, zone: str, key: TsigKey, records: dict[Key, list[str]] | None = None) -> None:
        self.zone = zone
        self.records: dict[Key, list[str]] = dict(records or {})
        self.signs = True
        self.updates = 0
        self.before_update: Callable[[], None] = lambda: None
        self.port = 0
        self._keyring = {dns.name.from_text(key.name): key.secret}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            wire = self._answer(await reader.readexactly(length))
            writer.write(struct.pack("!H", len(wire)) + wire)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, wire: bytes) -> bytes:
        try:
            query = dns.message.from_wire(wire, keyring=self._keyring)
        except (dns.exception.DNSException, KeyError):
            query = dns.message.from_wire(wire, keyring=False)  # RFC 8945 5.2: NOTAUTH, not signed
            response = dns.message.make_response(query)
            response.tsig = None
            response.set_rcode(dns.rcode.NOTAUTH)
            return response.to_wire()
        response = dns.message.make_response(query)
        if not self.signs:
            response.tsig = None
        if query.opcode() == dns.opcode.UPDATE:
            self.before_update()
            response.set_rcode(self._update(cast("dns.update.UpdateMessage", query)))
        else:
            self._look_up(query, response)
        return response.to_wire()

    def _look_up(self, query: dns.message.Message, response: dns.message.Message) -> None:
        question = query.question[0]
        name, kind = _text(question.name), dns.rdatatype.to_text(question.rdtype)
        if name != self.zone and not name.endswith("." + self.zone):
            response.set_rcode(dns.rcode.REFUSED)
            return
        response.flags |= dns.flags.AA
        soa = dns.rrset.from_text(self.zone + ".", 300, "IN", "SOA", SOA)
        found = self.records.get((name, kind)) or self.records.get((name, "CNAME"))
        if kind == "SOA" and name == self.zone:
            response.answer.append(soa)
        elif found:
            shown = kind if self.records.get((name, kind)) else "CNAME"
            response.answer.append(dns.rrset.from_text(name + ".", 600, "IN", shown, *found))
        else:
            response.authority.append(soa)

    def _update(self, message: dns.update.UpdateMessage) -> dns.rcode.Rcode:
        """RFC 2136 3.2 and 3.4, without its rarer forms."""
        self.updates += 1
        if _text(message.zone[0].name) != self.zone:
            return dns.rcode.NOTAUTH
        wanted: dict[Key, list[str]] = {}
        for rrset in message.prerequisite:
            key = (_text(rrset.name), dns.rdatatype.to_text(rrset.rdtype))
            if cast("Any", rrset).deleting != dns.rdataclass.NONE:
                wanted.setdefault(key, []).extend(rdata.to_text() for rdata in rrset)
            elif self.records.get(key):
                return dns.rcode.YXRRSET
        if any(sorted(self.records.get(key, [])) != sorted(texts) for key, texts in wanted.items()):
            return dns.rcode.NXRRSET
        for rrset in message.update:
            texts = self.records.setdefault((_text(rrset.name), dns.rdatatype.to_text(rrset.rdtype)), [])
            for rdata in rrset:
                if cast("Any", rrset).deleting is not None:
                    texts.remove(rdata.to_text())
                elif rdata.to_text() not in texts:
                    texts.append(rdata.to_text())
        return dns.rcode.NOERROR


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
