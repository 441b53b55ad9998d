"""The client and OpenLDAP's own server: TLS, binding, pages, and servers that fail."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from postier.base.clock import SystemClock
from postier.directories.answers import Standing, standing
from postier.directories.probe import probe
from postier.directories.terms import listing_terms, login_terms
from postier.ldap.client import LdapUnavailable, Terms, open_connection
from postier.ldap.pool import LdapPool
from postier.ldap.wire.text import parse_server
from postier.store.api import LdapDirectory
from postier.testing.slapd import ADMIN, ADMIN_PASSWORD, BASE, Slapd

Office = Callable[..., LdapDirectory]


async def bound(slapd: Slapd, url: str, terms: Terms) -> int:
    connection = await open_connection(parse_server(url), terms)
    try:
        return (await connection.bind(ADMIN, ADMIN_PASSWORD)).code
    finally:
        connection.close()


@pytest.mark.parametrize("way", ["ldaps", "url"])
def test_tls_from_the_first_byte_and_started(slapd: Slapd, office: Office, way: str) -> None:
    assert asyncio.run(bound(slapd, getattr(slapd, way), login_terms(office(), 5))) == 0


@pytest.mark.parametrize("way", ["ldaps", "url"])
def test_a_certificate_of_nobody_we_know_is_refused(slapd: Slapd, office: Office, way: str) -> None:
    terms = login_terms(office(authorities=""), 5)
    with pytest.raises(LdapUnavailable, match="certificate that does not hold"):
        asyncio.run(bound(slapd, getattr(slapd, way), terms))


@pytest.mark.parametrize("wrong", ["name", "time"])
def test_a_certificate_for_another_or_of_another_time_is_refused(
    slapd: Slapd, office: Office, wrong: str
) -> None:
    slapd.stop()
    if wrong == "name":
        slapd.show_certificate("elsewhere.test")
    else:
        slapd.show_certificate(now=dt.datetime.now(dt.UTC) - dt.timedelta(days=900))
    slapd.start()
    (probed,) = asyncio.run(probe(office(), listing_terms(office())))
    assert not probed.ok
    assert "certificate" in probed.words


def test_what_a_probe_says(slapd: Slapd, office: Office) -> None:
    def found(**changes: object) -> str:
        directory = office(**changes)
        (one,) = asyncio.run(probe(directory, listing_terms(directory)))
        return f"{one.ok}: {one.words}"

    assert found().startswith("False: cn=admin,dc=orchard,dc=test finds no people below")
    slapd.person("anna")
    assert found() == f"True: answers {ADMIN}, over TLS, and shows people"
    assert "does not let" in found(password="wrong")
    assert found(servers=(slapd.url,), clear=True).endswith("in clear text, and shows people")
    slapd.kill()
    assert "cannot be reached" in found()


def test_thousands_of_entries_come_in_pages(slapd: Slapd, office: Office) -> None:
    entries = [
        (
            f"uid=p{number},ou=people,{BASE}",
            {"objectClass": ["inetOrgPerson"], "cn": ["P"], "sn": ["P"], "mail": [f"p{number}@orchard.test"]},
        )
        for number in range(2100)
    ]
    slapd.add(entries)

    async def count(most: int) -> int:
        connection = await open_connection(parse_server(slapd.ldaps), listing_terms(office()))
        await connection.bind(ADMIN, ADMIN_PASSWORD)
        found = [one.dn async for one in connection.search_all(BASE, "(mail=*)", ("mail",), most=most)]
        connection.close()
        return len(set(found))

    assert asyncio.run(count(2100)) == 2100
    with pytest.raises(LdapUnavailable, match="more than 2099"):
        asyncio.run(count(2099))


def test_what_the_server_says_to_passwords(slapd: Slapd, office: Office) -> None:
    dn = slapd.person("anna")

    async def said() -> list[Standing]:
        connection = await open_connection(parse_server(slapd.ldaps), login_terms(office(), 5))
        tries = [(dn, "anna pass-word"), (f"uid=none,{BASE}", "x"), ("no name", "x"), *[(dn, "wrong")] * 3]
        answers = [standing(await connection.bind(*one)) for one in tries]
        answers.append(standing(await connection.bind(dn, "anna pass-word")))
        connection.close()
        return answers

    assert asyncio.run(said()) == [
        Standing.RIGHT,
        Standing.WRONG,
        Standing.UNKNOWN,
        *[Standing.WRONG] * 3,
        Standing.WRONG,  # locked: this server says so only where its policy tells it to
    ]


def test_the_next_server_answers_where_one_is_gone_or_silent(slapd: Slapd, office: Office) -> None:
    clock = SystemClock()

    async def ask(servers: tuple[str, ...]) -> int:
        pool = LdapPool([parse_server(url) for url in servers], login_terms(office(), 1), clock)
        try:
            return (await pool.run(lambda one: one.bind(ADMIN, ADMIN_PASSWORD))).code
        finally:
            pool.close()

    async def with_silent() -> int:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            return await ask((f"ldaps://127.0.0.1:{silent.getsockname()[1]}", slapd.ldaps))

    assert asyncio.run(ask(("ldaps://127.0.0.1:1", slapd.ldaps))) == 0
    assert asyncio.run(with_silent()) == 0


def test_a_connection_that_the_server_closed_is_made_again(slapd: Slapd, office: Office) -> None:
    async def twice() -> list[int]:
        pool = LdapPool([parse_server(slapd.ldaps)], login_terms(office(), 5), SystemClock())
        codes = [(await pool.run(lambda one: one.bind(ADMIN, ADMIN_PASSWORD))).code]
        slapd.kill()
        slapd.start()
        codes.append((await pool.run(lambda one: one.bind(ADMIN, ADMIN_PASSWORD))).code)
        pool.close()
        return codes

    assert asyncio.run(twice()) == [0, 0]


def test_a_server_that_stalls_costs_one_wait(slapd: Slapd, office: Office) -> None:
    async def asked() -> None:
        terms = replace(login_terms(office(), 5), seconds=0.3)
        pool = LdapPool([parse_server(slapd.ldaps)], terms, SystemClock())
        with pytest.raises(LdapUnavailable, match="TLS handshake failed"):
            await pool.run(lambda one: one.bind(ADMIN, ADMIN_PASSWORD))
        slapd.go_on()
        with pytest.raises(LdapUnavailable):  # it rests: not asked again
            await pool.run(lambda one: one.bind(ADMIN, ADMIN_PASSWORD))

    slapd.stall()
    asyncio.run(asked())
