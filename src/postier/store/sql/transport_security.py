"""Policies and contracts about the TLS of other domains."""

from __future__ import annotations

from postier.store.api import FetchedPolicy, TlsContract
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


class TransportSecurityReader(Reads):
    async def fetched_policy(self, domain: str) -> FetchedPolicy | None:
        row = await self._connection.row(_POLICY, (domain,))
        return None if row is None else FetchedPolicy(*row)

    async def tls_contract(self, domain: str) -> TlsContract | None:
        row = await self._connection.row(_CONTRACTS + " WHERE domain = ?", (domain,))
        return None if row is None else TlsContract(*row)

    async def tls_contracts(self) -> list[TlsContract]:
        return [TlsContract(*row) for row in await self._connection.rows(_CONTRACTS + " ORDER BY domain")]


class TransportSecurityTx(TransportSecurityReader, Writes):
    async def set_fetched_policy(self, policy: FetchedPolicy) -> None:
        await self._connection.execute(_SET_POLICY, policy)

    async def forget_fetched_policies(self, before: int) -> int:
        return await self._connection.execute("DELETE FROM sts_policies WHERE expires < ?", (before,))

    async def set_tls_contract(self, contract: TlsContract) -> None:
        await self._connection.execute(_SET_CONTRACT, contract)

    async def remove_tls_contract(self, domain: str) -> bool:
        return await self._connection.execute("DELETE FROM tls_contracts WHERE domain = ?", (domain,)) > 0
