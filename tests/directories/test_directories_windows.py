"""Active Directory's ways, and servers with faults, played by a server that answers as it is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

import pytest
import sansldap

from postier.accounts.login_ports import PasswordRefused
from postier.accounts.password import ProofTable
from postier.base.clock import SystemClock
from postier.directories.kinds import filled
from postier.directories.login import DirectoryPasswords, LoginRules
from postier.directories.source import NESTED, Listing, read_listing
from postier.directories.terms import listing_terms
from postier.ldap.client import LdapUnavailable, Terms, open_connection
from postier.ldap.wire.text import parse_server
from postier.store.api import DirectoryGroup, DirectoryLogin, LdapDirectory, Store, StoreUnavailable
from postier.testing.ldap import FakeEntry, FakeLdap

OnStore = Callable[[Callable[[Store], Awaitable[None]]], None]
ANNA = "CN=Ash\\, Anna,OU=Users,DC=corp"
BEN = "CN=Ben,OU=Users,DC=corp"
SALES = "CN=Sales,OU=Groups,DC=corp"
CORP = filled(
    LdapDirectory(
        "corp",
        (),
        ("orchard.test",),
        "DC=corp",
        kind="active-directory",
        clear=True,
        bind_dn="postier@corp",
        password="reader",
        groups=(DirectoryGroup(SALES, "sales@orchard.test", "lrs"),),
    )
)
WORDS = "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data %s, v2580\0"


def person(dn: str, number: int, mail: bytes) -> FakeEntry:
    facts = {"objectGUID": [bytes([number]) * 16], "proxyAddresses": [b"SMTP:" + mail], "cn": [b"x"]}
    return dn, {**facts, "userAccountControl": [b"512"]}


PEOPLE = [person(ANNA, 1, b"anna@orchard.test"), person(BEN, 2, b"ben@orchard.test")]


def corp(request: sansldap.SearchRequest) -> Iterable[FakeEntry]:
    asked = str(request.filter)
    if request.base_object == SALES:
        return [(SALES, {})]
    if NESTED in asked:
        return PEOPLE[:1]
    return [one for one in PEOPLE if "smtp:" not in asked or one[0] == ANNA]


async def listing(server: FakeLdap, directory: LdapDirectory) -> Listing:
    async with server.serving() as url:
        made = replace(directory, servers=(url,))
        return await read_listing(made, replace(listing_terms(made), seconds=2.0))


def test_the_server_itself_follows_groups_within_groups() -> None:
    server = FakeLdap(corp, {"postier@corp": "reader"})
    found = asyncio.run(listing(server, CORP))
    assert found.members == {SALES: frozenset({"01" * 16})}
    assert len(found.people) == 2
    nested = [filter for _, filter in server.asked if NESTED in filter]
    assert nested == [f"(&{CORP.people}(memberOf:{NESTED}:={SALES}))"]


def test_members_that_come_some_at_a_time() -> None:
    def ranged(request: sansldap.SearchRequest) -> Iterable[FakeEntry]:
        if request.base_object != SALES:
            return PEOPLE if "member" not in str(request.filter) else []
        if "member;range=1-*" in request.attributes:
            return [(SALES, {"member;range=1-*": [BEN.encode()]})]
        return [(SALES, {"member": [], "member;range=0-0": [ANNA.encode()]})]

    server = FakeLdap(ranged, {"postier@corp": "reader"})
    found = asyncio.run(listing(server, replace(CORP, in_chain=False)))
    assert found.members == {SALES: frozenset({"01" * 16, "02" * 16})}


def test_members_without_end_are_not_believed() -> None:
    def endless(request: sansldap.SearchRequest) -> Iterable[FakeEntry]:
        return [(SALES, {"member;range=0-0": [ANNA.encode()]})] if request.base_object == SALES else PEOPLE

    server = FakeLdap(endless, {"postier@corp": "reader"})
    with pytest.raises(LdapUnavailable, match="does not tell all its members"):
        asyncio.run(listing(server, replace(CORP, in_chain=False)))


def test_a_referral_is_not_followed() -> None:
    server = FakeLdap(lambda request: None, {"postier@corp": "reader"})
    with pytest.raises(LdapUnavailable, match=r"result 10"):
        asyncio.run(listing(server, CORP))
    assert len(server.asked) == 1


def test_references_without_end_are_not_waited_for() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = sansldap.LDAPServer()
        with contextlib.suppress(ConnectionError, sansldap.LDAPError, asyncio.CancelledError):
            session.receive(await reader.read(65_536))
            while True:
                session.search_result_reference(1, ["ldap://elsewhere/"])
                writer.write(session.data_to_send())
                await asyncio.sleep(0.01)
        writer.transport.abort()

    async def ask() -> None:
        server = await asyncio.start_server(endless, "127.0.0.1", 0)
        url = f"ldap://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        connection = await open_connection(parse_server(url), Terms(None, 0.2))
        with pytest.raises(LdapUnavailable, match="does not come to an end"):
            await connection.search("dc=x", "(cn=*)", ())
        server.close()

    asyncio.run(ask())


def test_a_group_of_strangers_without_end_is_not_believed() -> None:
    def chain(request: sansldap.SearchRequest) -> Iterable[FakeEntry]:
        base = str(request.base_object)
        if not base.startswith("CN=g"):
            return [(SALES, {"member": [b"CN=g0"]})] if base == SALES else PEOPLE
        return [(base, {"member": [b"CN=g%d" % (int(base[4:]) + 1)]})]

    server = FakeLdap(chain, {"postier@corp": "reader"})
    with pytest.raises(LdapUnavailable, match="holds more than 1000 groups and strangers"):
        asyncio.run(listing(server, replace(CORP, in_chain=False)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("532", "the password has expired"),
        ("533", "the account is disabled"),
        ("701", "the account has expired"),
        ("773", "the password must be changed first"),
        ("775", "the account is locked"),
        ("530", "not allowed at this time or from here"),
        ("52e", ""),
        ("525", ""),
    ],
)
def test_why_somebody_is_not_let_in(on_store: OnStore, data: str, words: str) -> None:
    server = FakeLdap(corp, {"postier@corp": "reader"}, {ANNA: WORDS % data})

    async def work(store: Store) -> None:
        async with server.serving() as url:
            await store.transact(lambda tx: tx.set_ldap_directory(replace(CORP, servers=(url,))))
            passwords = await made(store)
            try:
                found = await passwords.check("anna@orchard.test", "x")
            except PasswordRefused as refused:
                found = str(refused)
            assert found == (f"corp: {words}" if words else "")
            passwords.close()

    on_store(work)


def test_who_is_let_in_has_an_account(on_store: OnStore) -> None:
    server = FakeLdap(corp, {"postier@corp": "reader", ANNA: "right"})

    async def work(store: Store) -> None:
        async with server.serving() as url:
            await store.transact(lambda tx: tx.set_ldap_directory(replace(CORP, servers=(url,))))
            passwords = await made(store)
            assert await passwords.check("anna@orchard.test", "right") == "anna@orchard.test"
            assert await passwords.check("anna@orchard.test", "") == ""
            assert ("", "") not in server.binds
            assert all(password for _, password in server.binds)
            passwords.close()

    on_store(work)


def test_the_account_is_that_of_who_was_let_in(on_store: OnStore) -> None:
    """Ben's name for logins is what Anna's address begins with: his password opens his account alone."""
    by_upn = {"bind_dn": "", "password": "", "login": DirectoryLogin.BIND, "template": "{user}@corp"}

    def search(request: sansldap.SearchRequest) -> Iterable[FakeEntry]:
        if "userPrincipalName=anna@corp" in str(request.filter):
            return PEOPLE[1:]
        if "sAMAccountName=ash" in str(request.filter):
            return PEOPLE[:1]
        if "smtp:anna@" in str(request.filter):
            return PEOPLE[:1]
        return [one for one in PEOPLE if one[0] == request.base_object]

    server = FakeLdap(search, {"anna@corp": "ben's", "ash@corp": "anna's", "robot@corp": "robot's"})

    async def work(store: Store) -> None:
        async with server.serving() as url:
            directory = replace(CORP, servers=(url,), groups=(), **by_upn)  # type: ignore[arg-type]
            await store.transact(lambda tx: tx.set_ldap_directory(directory))
            passwords = await made(store)
            with pytest.raises(PasswordRefused, match="none of its people"):
                await passwords.check("robot@orchard.test", "robot's")
            # which is no reason to leave the server alone
            assert await passwords.check("anna@orchard.test", "ben's") == "ben@orchard.test"
            assert await passwords.check("ash@orchard.test", "anna's") == "anna@orchard.test"
            passwords.close()

    on_store(work)


@pytest.mark.parametrize(("same", "heard"), [(False, 4), (True, 1)])
def test_guesses_all_at_once_are_not_ahead_of_their_count(on_store: OnStore, same: bool, heard: int) -> None:
    server = FakeLdap(corp, {"postier@corp": "reader", ANNA: "right"})

    async def work(store: Store) -> None:
        async with server.serving() as url:
            await store.transact(lambda tx: tx.set_ldap_directory(replace(CORP, servers=(url,))))
            passwords = await made(store, guesses=4)
            right = await asyncio.gather(*(passwords.check("anna@orchard.test", "right") for _ in range(30)))
            assert set(right) == {"anna@orchard.test"}
            guesses = ["guess" if same else f"guess {number}" for number in range(30)]
            await asyncio.gather(*(passwords.check("anna@orchard.test", guess) for guess in guesses))
            assert len([name for name, password in server.binds if "guess" in password]) == heard
            passwords.close()

    on_store(work)


def test_a_server_that_does_not_speak_ldap(on_store: OnStore) -> None:
    async def work(store: Store) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await reader.read()
            writer.transport.abort()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"ldap://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await store.transact(lambda tx: tx.set_ldap_directory(replace(CORP, servers=(url,))))
        passwords = await made(store)
        with pytest.raises(StoreUnavailable, match="does not speak LDAP"):
            await passwords.check("anna@orchard.test", "x")
        passwords.close()
        server.close()

    on_store(work)


async def made(store: Store, guesses: int = 0) -> DirectoryPasswords:
    async def no_sleep(seconds: float) -> None:
        pass

    return DirectoryPasswords(store, SystemClock(), ProofTable(), LoginRules(2.0, guesses=guesses), no_sleep)
