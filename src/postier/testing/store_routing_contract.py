"""What every engine promises of routes and of pools of addresses to send from; part of StoreContract."""

from __future__ import annotations

from postier.store.api import (
    MailRoute,
    RouteHost,
    RouteTls,
    RouteTransport,
    Source,
    SourcePool,
    Store,
)
from postier.testing.store_helpers import Opened, on_store

__all__ = ["RoutingContract"]

FULL = MailRoute(
    "*.far.test",
    sender="orchard.test",
    transport=RouteTransport.LMTP,
    hosts=(RouteHost("relay.test", 587), RouteHost("2001:db8::1", 25), RouteHost("far.test", 25, mx=True)),
    balanced=True,
    tls=RouteTls.VERIFIED,
    implicit_tls=True,
    authorities="/etc/ca.pem",
    login="jürgen",
    password='pass"word\\',  # noqa: S106 - nobody's
    reply="5.7.1 not from here",
    fallback="@backup",
    fallback_attempts=3,
    fallback_age=7200,
    pool="bulk",
    retry_first=60,
    retry_max=600,
)


async def put(store: Store, *routes: MailRoute) -> None:
    for route in routes:
        await store.transact(lambda tx, r=route: tx.set_mail_route(r))  # type: ignore[misc]


class RoutingContract:
    @on_store
    async def test_a_route_comes_back_as_it_was_set(self, opened: Opened) -> None:
        await put(opened.store, FULL, MailRoute("near.test", hosts=(RouteHost("192.0.2.1", 25),)))
        assert await opened.store.reader.mail_routes() == [
            FULL,
            MailRoute("near.test", hosts=(RouteHost("192.0.2.1", 25),)),
        ]

    @on_store
    async def test_a_route_replaces_the_one_of_its_pattern_and_sender(self, opened: Opened) -> None:
        store = opened.store
        await put(store, MailRoute("*"), MailRoute("*", "a.test"), MailRoute("*", "a.test", pool="one"))
        assert await store.reader.mail_routes() == [MailRoute("*"), MailRoute("*", "a.test", pool="one")]

    @on_store
    async def test_a_route_is_removed_by_pattern_and_sender(self, opened: Opened) -> None:
        store = opened.store
        await put(store, MailRoute("*"), MailRoute("*", "a.test"))
        assert not await store.transact(lambda tx: tx.remove_mail_route("*", "b.test"))
        assert await store.transact(lambda tx: tx.remove_mail_route("*", "a.test"))
        assert await store.reader.mail_routes() == [MailRoute("*")]

    @on_store
    async def test_pools_are_set_replaced_and_removed(self, opened: Opened) -> None:
        store = opened.store
        first = SourcePool("bulk", (Source("192.0.2.1"),))
        second = SourcePool("bulk", (Source("192.0.2.1"), Source("2001:db8::1", "six.test")), sticky=True)
        for pool in (first, second):
            await store.transact(lambda tx, p=pool: tx.set_source_pool(p))  # type: ignore[misc]
        assert await store.reader.source_pools() == [second]
        assert await store.transact(lambda tx: tx.remove_source_pool("bulk"))
        assert not await store.transact(lambda tx: tx.remove_source_pool("bulk"))
        assert await store.reader.source_pools() == []

    @on_store
    async def test_each_change_raises_the_version(self, opened: Opened) -> None:
        store = opened.store
        versions = [await store.reader.routing_version()]
        for work in (
            lambda tx: tx.set_mail_route(MailRoute("*")),
            lambda tx: tx.set_source_pool(SourcePool("p", ())),
            lambda tx: tx.remove_source_pool("p"),
            lambda tx: tx.remove_mail_route("*"),
        ):
            await store.transact(work)
            versions.append(await store.reader.routing_version())
        assert versions == sorted(set(versions))
        await store.transact(lambda tx: tx.remove_mail_route("*"))
        assert await store.reader.routing_version() == versions[-1]

    @on_store
    async def test_a_password_is_not_in_the_text_of_a_route(self, opened: Opened) -> None:
        await put(opened.store, FULL)
        (found,) = await opened.store.reader.mail_routes()
        assert found.password == FULL.password
        assert "pass" not in repr(found)
