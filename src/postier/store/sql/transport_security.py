"""Policies and contracts about the TLS of other domains."""

from __future__ import annotations

from collections.abc import Mapping

from postier.store.api import FetchedPolicy, TlsContract, TlsResult
from postier.store.sql.base import Reads, Writes

__all__ = ["TransportSecurityReader", "TransportSecurityTx"]

_POLICY = "SELECT domain, policy_id, fetched, expires, policy FROM sts_policies WHERE domain = ?"
_SET_POLICY = (
    "INSERT INTO sts_policies (domain, policy_id, fetched, expires, policy) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (domain) DO UPDATE SET policy_id = excluded.policy_id, fetched = excluded.fetched,"
    " expires = excluded.expires, policy = excluded.policy"
)
_CONTRACTS = "SELECT domain, name, authorities FROM tls_contracts"
_SET_CONTRACT = (
    "INSERT INTO tls_contracts (domain, name, authorities) VALUES (?, ?, ?)"
    " ON CONFLICT (domain) DO UPDATE SET name = excluded.name, authorities = excluded.authorities"
)

_RESULTS = (
    "SELECT day, domain, kind, host, source, result, policy, detail, destination, sessions FROM tls_results"
    " WHERE day BETWEEN ? AND ?"
)
_RESULTS_OF = _RESULTS + " AND destination = ?"
_ORDER = " ORDER BY day, domain, kind, host, source, result, destination"
_DESTINATIONS = "SELECT DISTINCT destination FROM tls_results WHERE day = ? ORDER BY destination"
_ADD_RESULT = (
    "INSERT INTO tls_results (day, domain, kind, host, source, result, policy, detail, destination, sessions)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (day, domain, kind, host, source, result, destination) DO UPDATE"
    " SET policy = excluded.policy, detail = excluded.detail,"
    " sessions = tls_results.sessions + excluded.sessions"
)


class TransportSecurityReader(Reads):
    async def fetched_policy(self, domain: str) -> FetchedPolicy | None:
        row = await self._connection.row(_POLICY, (domain,))
        return None if row is None else FetchedPolicy(*row)

    async def tls_contract(self, domain: str) -> TlsContract | None:
        row = await self._connection.row(_CONTRACTS + " WHERE domain = ?", (domain,))
        return None if row is None else TlsContract(*row)

    async def tls_contracts(self) -> list[TlsContract]:
        return [TlsContract(*row) for row in await self._connection.rows(_CONTRACTS + " ORDER BY domain")]

    async def tls_results(self, first: int, last: int, destination: str = "") -> list[tuple[TlsResult, int]]:
        if destination:
            rows = await self._connection.rows(_RESULTS_OF + _ORDER, (first, last, destination))
        else:
            rows = await self._connection.rows(_RESULTS + _ORDER, (first, last))
        return [(TlsResult(*row[:9]), row[9]) for row in rows]

    async def tls_destinations(self, day: int) -> list[str]:
        return [row[0] for row in await self._connection.rows(_DESTINATIONS, (day,))]


class TransportSecurityTx(TransportSecurityReader, Writes):
    async def set_fetched_policy(self, policy: FetchedPolicy) -> None:
        await self._connection.execute(_SET_POLICY, policy)

    async def forget_fetched_policies(self, before: int) -> int:
        return await self._connection.execute("DELETE FROM sts_policies WHERE expires < ?", (before,))

    async def add_tls_results(self, counts: Mapping[TlsResult, int]) -> None:
        for result, sessions in counts.items():
            await self._connection.execute(_ADD_RESULT, (*result, sessions))

    async def forget_tls_results(self, before: int) -> int:
        return await self._connection.execute("DELETE FROM tls_results WHERE day < ?", (before,))

    async def set_tls_contract(self, contract: TlsContract) -> None:
        await self._connection.execute(_SET_CONTRACT, contract)

    async def remove_tls_contract(self, domain: str) -> bool:
        return await self._connection.execute("DELETE FROM tls_contracts WHERE domain = ?", (domain,)) > 0
