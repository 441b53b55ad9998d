"""Routes of outgoing mail and pools of addresses to send from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from postier.store.api import MailRoute, SourcePool
from postier.store.sql.base import Reads, Writes

__all__ = ["RoutingReader", "RoutingTx"]

_VERSION = "routing-version"
_SET_ROUTE = (
    "INSERT INTO mail_routes (pattern, sender, plan, password) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (pattern, sender) DO UPDATE SET plan = excluded.plan, password = excluded.password"
)
_SET_POOL = (
    "INSERT INTO source_pools (name, plan) VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET plan = excluded.plan"
)
_OF_ITS_OWN = ("pattern", "sender", "password", "name")
"""Fields that are columns."""


def _plan(value: MailRoute | SourcePool) -> str:
    facts: dict[str, Any] = msgspec.to_builtins(value)
    return msgspec.json.encode({k: v for k, v in facts.items() if k not in _OF_ITS_OWN}).decode()


class RoutingReader(Reads):
    async def routing_version(self) -> int:
        row = await self._connection.row("SELECT value FROM meta WHERE key = ?", (_VERSION,))
        return 0 if row is None else int(row[0])

    async def mail_routes(self) -> list[MailRoute]:
        rows = await self._connection.rows(
            "SELECT pattern, sender, plan, password FROM mail_routes ORDER BY pattern, sender"
        )
        return [
            msgspec.convert(
                {**msgspec.json.decode(plan), "pattern": pattern, "sender": sender, "password": password},
                MailRoute,
            )
            for pattern, sender, plan, password in rows
        ]

    async def source_pools(self) -> list[SourcePool]:
        rows = await self._connection.rows("SELECT name, plan FROM source_pools ORDER BY name")
        return [
            msgspec.convert({**msgspec.json.decode(plan), "name": name}, SourcePool) for name, plan in rows
        ]


class RoutingTx(RoutingReader, Writes):
    async def set_mail_route(self, route: MailRoute) -> None:
        await self._connection.execute(
            _SET_ROUTE, (route.pattern, route.sender, _plan(replace(route, password="")), route.password)
        )
        await self._changed()

    async def remove_mail_route(self, pattern: str, sender: str = "") -> bool:
        return await self._remove("DELETE FROM mail_routes WHERE pattern = ? AND sender = ?", pattern, sender)

    async def set_source_pool(self, pool: SourcePool) -> None:
        await self._connection.execute(_SET_POOL, (pool.name, _plan(pool)))
        await self._changed()

    async def remove_source_pool(self, name: str) -> bool:
        return await self._remove("DELETE FROM source_pools WHERE name = ?", name)

    async def _remove(self, statement: str, *key: str) -> bool:
        removed = await self._connection.execute(statement, key) > 0
        if removed:
            await self._changed()
        return removed

    async def _changed(self) -> None:
        await self._connection.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (_VERSION, str(await self.routing_version() + 1)),
        )
