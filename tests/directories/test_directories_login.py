"""Passwords that OpenLDAP's server knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from postier.accounts.login_ports import PasswordRefused
from postier.accounts.password import ProofTable
from postier.accounts.people import add_person
from postier.base.address import Address
from postier.directories.login import STEP, DirectoryPasswords, LoginRules
from postier.store.api import DirectoryLogin, LdapDirectory, Store, StoreUnavailable
from postier.testing.slapd import BASE, Slapd
from postier.testing.store_helpers import SettableClock

Office = Callable[..., LdapDirectory]
OnStore = Callable[[Callable[[Store], Awaitable[None]]], None]


class Desk:
    """Passwords of one store, with a clock that stands and a table of proofs that others may share."""

    def __init__(self, store: Store, **rules: float) -> None:
        self.clock = SettableClock()
        self.slept: list[float] = []
        self.proofs = ProofTable()
        self._passwords = DirectoryPasswords(
            store,
            self.clock,
            self.proofs,
            LoginRules(2.0, **rules),
            self._sleep,  # type: ignore[arg-type]
        )
        self.answers_for, self.close = self._passwords.answers_for, self._passwords.close

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def check(self, name: str, password: str, *, known: bool = False) -> str:
        return await self._passwords.check(name, password, known=known)


async def set_up(store: Store, directory: LdapDirectory, **rules: float) -> Desk:
    await store.transact(lambda tx: tx.set_ldap_directory(directory))
    return Desk(store, **rules)


def test_right_wrong_unknown_and_our_own(slapd: Slapd, office: Office, on_store: OnStore) -> None:
    slapd.person("anna", userPassword=['pâss wörd, "quoted"\\'], mailAlternateAddress=["a@orchard.test"])
    slapd.person("two", mail=["twice@orchard.test"])
    slapd.person("three", mail=["twice@orchard.test"])

    async def work(store: Store) -> None:
        await add_person(store, Address.parse("own@orchard.test"), "hash")
        desk = await set_up(store, office())
        asked = [
            "anna@orchard.test",
            "nobody@orchard.test",
            "own@orchard.test",
            "a@harbor.test",
            "anna",
            "",
            "@",
        ]
        assert [await desk.answers_for(name) for name in asked] == [True, True, *[False] * 5]
        right = 'pâss wörd, "quoted"\\'
        assert await desk.check("anna@orchard.test", right) == "anna@orchard.test"
        assert await desk.check("a@orchard.test", 'pa\u0302ss wo\u0308rd, "quoted"\\') == "anna@orchard.test"
        assert desk.slept == []
        for name, password in (
            ("anna@orchard.test", "wrong"),
            ("anna@orchard.test", ""),
            ("anna@orchard.test", "x" * 1025),
            ("anna@orchard.test", right + "\0"),
            ("nobody@orchard.test", right),
            ('"*"@orchard.test', right),
            ('"anna)(uid=*"@orchard.test', right),
            ("twice@orchard.test", "two pass-word"),
        ):
            assert await desk.check(name, password) == "", (name, password)
        assert desk.slept == [STEP] * 8
        desk.close()

    on_store(work)


def test_a_name_made_from_a_template(slapd: Slapd, office: Office, on_store: OnStore) -> None:
    slapd.person("anna", displayName=["Anna"])
    slapd.person("ben", userAccountControl=["514"])
    template = f"uid={{user}},ou=people,{BASE}"
    directory = office(login=DirectoryLogin.BIND, template=template, bind_dn="", password="")

    async def work(store: Store) -> None:
        desk = await set_up(store, directory)
        assert await desk.check("anna@orchard.test", "anna pass-word") == "anna@orchard.test"
        account = await store.reader.account_named("anna@orchard.test")
        assert account is not None
        assert account.display_name == "Anna"
        assert await desk.check(f'"anna,ou=people,{BASE}"@orchard.test', "anna pass-word") == ""
        with pytest.raises(PasswordRefused, match="disabled"):
            await desk.check("ben@orchard.test", "ben pass-word")
        desk.close()

    on_store(work)


def test_a_password_is_remembered_for_a_while(slapd: Slapd, office: Office, on_store: OnStore) -> None:
    slapd.person("anna", mailAlternateAddress=["a@orchard.test"])

    async def work(store: Store) -> None:
        desk = await set_up(store, office(), remember=600)
        assert await desk.check("anna@orchard.test", "anna pass-word") == "anna@orchard.test"
        slapd.kill()
        desk.clock.seconds += 100
        assert await desk.check("anna@orchard.test", "anna pass-word") == "anna@orchard.test"
        for password in ("wrong", "anna pass-word "):
            with pytest.raises(StoreUnavailable):
                await desk.check("anna@orchard.test", password)
        desk.clock.seconds += 600
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await desk.check("anna@orchard.test", "anna pass-word")
        desk.close()
        forgetful = Desk(store)
        with pytest.raises(StoreUnavailable):
            await forgetful.check("anna@orchard.test", "anna pass-word")
        # it is back, and is asked again once its rest is over
        slapd.start()
        desk.clock.seconds += 60
        assert await desk.check("anna@orchard.test", "anna pass-word") == "anna@orchard.test"
        # a person that has left by the last comparison is not remembered
        account = await store.reader.account_named("anna@orchard.test")
        assert account is not None
        link = await store.reader.directory_person(account.account_id)
        assert link is not None
        await store.transact(lambda tx: tx.set_directory_person(link._replace(present=False)))
        slapd.kill()
        with pytest.raises(StoreUnavailable):
            await desk.check("anna@orchard.test", "anna pass-word")
        desk.close()

    on_store(work)


def test_strangers_lock_nobody_out_of_the_company(slapd: Slapd, office: Office, on_store: OnStore) -> None:
    slapd.modify(f"cn=policy,{BASE}", "pwdMaxFailure", ["5"])
    slapd.person("anna")

    async def work(store: Store) -> None:
        desk = await set_up(store, office(), guesses=4)
        for number in range(20):
            assert await desk.check("anna@orchard.test", f"guess {number}") == ""
        assert await desk.check("anna@orchard.test", "anna pass-word") == ""  # from nowhere known
        assert await desk.check("anna@orchard.test", "anna pass-word", known=True) == "anna@orchard.test"
        desk.clock.seconds += 3601
        assert await desk.check("anna@orchard.test", "anna pass-word") == "anna@orchard.test"
        desk.close()

    on_store(work)


def test_the_same_wrong_password_is_asked_once_a_minute(
    slapd: Slapd, office: Office, on_store: OnStore
) -> None:
    slapd.person("anna")  # locked after three wrong ones

    async def work(store: Store) -> None:
        desk = await set_up(store, office())
        for _ in range(10):
            assert await desk.check("anna@orchard.test", "an old one") == ""
        assert await desk.check("anna@orchard.test", "anna pass-word") == "anna@orchard.test"
        desk.close()

    on_store(work)


def test_an_entry_of_the_same_address_is_not_the_same_person(
    slapd: Slapd, office: Office, on_store: OnStore
) -> None:
    slapd.person("anna")

    async def work(store: Store) -> None:
        desk = await set_up(store, office())
        assert await desk.check("anna@orchard.test", "anna pass-word") == "anna@orchard.test"
        slapd.delete(f"uid=anna,ou=people,{BASE}")
        slapd.person("anna", userPassword=["another"])
        assert await desk.check("anna@orchard.test", "another") == ""
        desk.close()

    on_store(work)


def test_many_at_once_wait_for_a_few_connections(slapd: Slapd, office: Office, on_store: OnStore) -> None:
    slapd.person("anna")

    async def work(store: Store) -> None:
        desk = await set_up(store, office())
        found = await asyncio.gather(*(desk.check("anna@orchard.test", "anna pass-word") for _ in range(60)))
        assert set(found) == {"anna@orchard.test"}
        desk.close()

    on_store(work)
