"""Our people hear at RCPT of addresses elsewhere that are not written to."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from postier.smtp.inbound.dialogue import Role
from postier.smtp.inbound.session import inbound_session
from postier.store.api import MailRoute, Suppression
from postier.testing.connection import MemoryConnection

NOW = 1_794_312_000
LOGIN = b"EHLO a.example\r\n", b"AUTH PLAIN AGJvYkBiLmV4YW1wbGUAY29ycmVjdCBob3JzZQ==\r\n"
BOUNCED = Suppression(
    "x@else.example", 2, NOW - 9, NOW - 86_400, NOW + 1, "550 5.1.1 who?", "mx", "bob@b.example"
)
TOLD = (
    "550 5.1.1 <X@else.example> is unknown there, as we were told on 2026-11-09;"
    " 'postier suppress remove X@else.example' lifts this"
)


def told(world, role: Role, *known: Suppression) -> str:
    async def go() -> str:
        async with world.opened() as (settings, services):
            for one in known:
                await services.store.transact(lambda tx, s=one: tx.set_suppression(s))
            connection = MemoryConnection(tls=role is Role.SUBMISSION)
            connection.start(inbound_session(settings, services, role))
            sender = b"bob@b.example" if role is Role.SUBMISSION else b"a@a.example"
            for packet in (*LOGIN, b"MAIL FROM:<" + sender + b">\r\n", b"RCPT TO:<X@else.example>\r\n"):
                await connection.quiet()
                connection.feed(packet)
            await connection.quiet()
            return (connection.output() + await connection.finish()).decode().splitlines()[-1]

    return asyncio.run(go())


def test_the_reply_says_since_when_and_how_to_lift_it(world):
    assert told(world, Role.SUBMISSION, BOUNCED).startswith(TOLD)


@pytest.mark.parametrize("until", [0, NOW - 1, NOW])
def test_what_is_only_counted_or_over_is_let_through(world, until):
    assert told(world, Role.SUBMISSION, replace(BOUNCED, until=until)).startswith("250 2.1.5")


def test_others_are_let_through(world):
    assert told(world, Role.SUBMISSION, replace(BOUNCED, address="y@else.example")).startswith("250 2.1.5")


def test_a_domain_without_a_dot_is_refused_unless_it_has_a_route(world):
    """RFC 6409 4.2."""

    async def go(*routes: MailRoute) -> list[str]:
        async with world.opened() as (settings, services):
            for route in routes:
                await services.store.transact(lambda tx, r=route: tx.set_mail_route(r))
            connection = MemoryConnection(tls=True)
            connection.start(inbound_session(settings, services, Role.SUBMISSION))
            said = [b"x@intern", b"x@Localhost", b"x@else.example", b"x@[192.0.2.7]", b"bob@b.example"]
            rcpts = [b"RCPT TO:<" + path + b">\r\n" for path in said]
            for packet in (*LOGIN, b"MAIL FROM:<bob@b.example>\r\n", *rcpts):
                await connection.quiet()
                connection.feed(packet)
            await connection.quiet()
            output = (connection.output() + await connection.finish()).decode()
            return [line[:9] for line in output.splitlines()[-5:]]

    assert asyncio.run(go()) == ["554 5.1.2", "554 5.1.2", "250 2.1.5", "250 2.1.5", "250 2.1.5"]
    assert asyncio.run(go(MailRoute("intern"), MailRoute("*")))[:2] == ["250 2.1.5", "554 5.1.2"]


def test_strangers_learn_nothing_of_it(world):
    assert told(world, Role.MX, BOUNCED).startswith("550 5.7.1 Relaying denied")
