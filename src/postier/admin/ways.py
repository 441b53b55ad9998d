"""Changes of the ways that mail to others takes: each in one transaction with its entry in the audit log.

`by`: who does it.
"""

from __future__ import annotations

from postier.accounts.audit import Actor, AuditKind, note
from postier.admin.route_words import place_words
from postier.admin.routes import set_route as checked_route
from postier.store.api import MailRoute, SourcePool, Store, Suppression, TlsContract, Tx

__all__ = [
    "lift_suppression",
    "release_tls",
    "remove_pool",
    "remove_route",
    "require_tls",
    "set_pool",
    "set_route",
    "suppress",
]


async def set_route(store: Store, route: MailRoute, *, by: Actor) -> None:
    """Raises RouteError."""

    async def work(tx: Tx) -> None:
        await checked_route(tx, route)
        domain = f"{route.pattern} ({route.sender})" if route.sender else route.pattern
        await note(tx, by, AuditKind.ROUTE, domain=domain, way=place_words(route))

    await store.transact(work)


async def remove_route(store: Store, pattern: str, sender: str, *, by: Actor) -> bool:
    """False where there was none."""

    async def work(tx: Tx) -> bool:
        removed = await tx.remove_mail_route(pattern, sender)
        if removed:
            domain = f"{pattern} ({sender})" if sender else pattern
            await note(tx, by, AuditKind.ROUTE_REMOVED, domain=domain)
        return removed

    return await store.transact(work)


async def set_pool(store: Store, pool: SourcePool, *, by: Actor) -> None:
    async def work(tx: Tx) -> None:
        await tx.set_source_pool(pool)
        sources = ", ".join(source.address for source in pool.sources)
        await note(tx, by, AuditKind.POOL, name=pool.name, sources=sources)

    await store.transact(work)


async def remove_pool(store: Store, name: str, *, by: Actor) -> bool:
    """False where there was none."""

    async def work(tx: Tx) -> bool:
        removed = await tx.remove_source_pool(name)
        if removed:
            await note(tx, by, AuditKind.POOL_REMOVED, name=name)
        return removed

    return await store.transact(work)


async def require_tls(store: Store, contract: TlsContract, *, by: Actor) -> None:
    async def work(tx: Tx) -> None:
        await tx.set_tls_contract(contract)
        await note(
            tx, by, AuditKind.PARTNER_TLS, domain=contract.domain, level=contract.name or "its own name"
        )

    await store.transact(work)


async def release_tls(store: Store, domain: str, *, by: Actor) -> bool:
    """False where nothing was demanded."""

    async def work(tx: Tx) -> bool:
        removed = await tx.remove_tls_contract(domain)
        if removed:
            await note(tx, by, AuditKind.PARTNER_TLS_REMOVED, domain=domain)
        return removed

    return await store.transact(work)


async def suppress(store: Store, one: Suppression, *, by: Actor) -> None:
    async def work(tx: Tx) -> None:
        await tx.set_suppression(one)
        await note(tx, by, AuditKind.SUPPRESSED, address=one.address)

    await store.transact(work)


async def lift_suppression(store: Store, address: str, *, by: Actor) -> bool:
    """False where there was none."""

    async def work(tx: Tx) -> bool:
        removed = await tx.remove_suppression(address)
        if removed:
            await note(tx, by, AuditKind.SUPPRESSION_LIFTED, address=address)
        return removed

    return await store.transact(work)
