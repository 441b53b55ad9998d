"""Whether a password is right, asked of the directory that a person comes from (PasswordDirectory).

The person's entry is found first, or its name is made from a template; then the server is asked to let that
entry in with the password (RFC 4513 5.1.3). The entry's id decides whose account it is, never the name that
was typed: an address that went over to a colleague opens the colleague's account alone.
"""

from __future__ import annotations

import asyncio
import os
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from postier.accounts.login_ports import PasswordRefused
from postier.accounts.password import MAX_PASSWORD_OCTETS, ProofTable
from postier.base.address import Address
from postier.base.clock import Clock
from postier.base.log import Log
from postier.directories.answers import Standing, standing
from postier.directories.entry import STATE_ATTRIBUTES, EntryProblem, entry_id, is_disabled, person_of, wanted
from postier.directories.settle import settle_person
from postier.directories.source import as_reader
from postier.directories.terms import login_terms
from postier.ldap.client import LdapConnection, LdapUnavailable
from postier.ldap.pool import LdapPool
from postier.ldap.wire.core import Entry
from postier.ldap.wire.text import dn_value, fill, filter_value, parse_server
from postier.net.tls import CertificateError
from postier.store.api import (
    Account,
    DirectoryLogin,
    LdapDirectory,
    Store,
    StoreUnavailable,
    Tx,
)

__all__ = ["DirectoryPasswords", "LoginRules"]

STEP = 0.5
"""Seconds: a refusal comes at a multiple of that, so that its time tells nothing of what the server did."""
WRONG_SECONDS = 60
"""For which the same wrong password is refused unseen: a forgotten device must not lock its owner out of the
whole company."""

GUESSING_SECONDS = 3600.0

_Answer = tuple[Entry | None, Standing]
"""The entry whose password it is, or why there is none."""
_GUESSES = (Standing.WRONG, Standing.UNKNOWN)

log = Log("directory")


@dataclass(frozen=True, slots=True)
class LoginRules:
    """`seconds`: that a server has for an answer. `remember`: for which a password that was right goes on to
    work while no server answers; 0 for none. `guesses`: wrong passwords for one name, from where its owner
    never logged in, that a server hears of in GUESSING_SECONDS; 0 for any number."""

    seconds: float = 5.0
    remember: int = 0
    guesses: int = 0


class DirectoryPasswords:
    """PasswordDirectory of accounts.login_ports, for one event loop. `proofs`: shared with other workers."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        proofs: ProofTable,
        rules: LoginRules,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._proofs = proofs
        self._rules = rules
        self._sleep = sleep
        self._version = -1
        self._directories: dict[str, LdapDirectory] = {}
        self._running: dict[tuple[bytes, bool], asyncio.Future[_Answer | None]] = {}
        self._pools: dict[str, tuple[tuple[LdapDirectory, int], LdapPool, LdapPool]] = {}

    async def answers_for(self, name: str) -> bool:
        """For all names of a directory's domains but those of accounts of our own."""
        return await self._directory_of(name) is not None

    async def in_use(self) -> bool:
        await self._refresh()
        return bool(self._directories)

    async def check(self, name: str, password: str, *, known: bool = False) -> str:
        start = self._clock.monotonic()
        try:
            found = await self._check(name, unicodedata.normalize("NFC", password), known)
        except PasswordRefused:
            await self._even_out(start)
            raise
        if not found:
            await self._even_out(start)
        return found

    async def _even_out(self, start: float) -> None:
        await self._sleep(STEP - (self._clock.monotonic() - start) % STEP)

    def close(self) -> None:
        self._forget_pools()

    # ------------------------------------------------------------------ whose name it is

    async def _directory_of(self, name: str) -> LdapDirectory | None:
        await self._refresh()
        address = _address(name)
        directory = self._directories.get(str(address.domain)) if address is not None else None
        if directory is None or address is None:
            return None
        account = await self._account(address)
        if account is not None and await self._store.reader.directory_person(account.account_id) is None:
            return None
        return directory

    async def _account(self, address: Address) -> Account | None:
        """That gets the address's mail, alone."""
        reader = self._store.reader
        entry = await reader.address(address.lookup_key)
        if entry is None or len(entry.targets) != 1 or entry.targets[0].account_id is None:
            return None
        return await reader.account(entry.targets[0].account_id)

    async def _refresh(self) -> None:
        version = await self._store.reader.directories_version()
        if version != self._version:
            listed = await self._store.reader.ldap_directories()
            self._directories = {domain: one for one in listed for domain in one.domains}
            self._version = version
            self._forget_pools()

    # ------------------------------------------------------------------ the password

    async def _check(self, name: str, password: str, known: bool) -> str:
        directory, address = await self._directory_of(name), _address(name)
        octets = password.encode(errors="surrogatepass")
        if directory is None or address is None or not 0 < len(octets) <= MAX_PASSWORD_OCTETS:
            return ""
        wrong = self._proof(directory, f"wrong {address.lookup_key}", octets, WRONG_SECONDS, 0)
        if wrong in self._proofs:
            log.info("refused unseen", directory=directory.name, name=address)
            return ""
        try:
            answer = await self._guess_once(directory, address, password, wrong, known)
        except (LdapUnavailable, CertificateError) as error:
            if remembered := await self._remembered(directory, address, octets):
                log.info("remembered", directory=directory.name, account=remembered)
                return remembered
            log.fault("unavailable", directory=directory.name, why=error)
            raise StoreUnavailable(f"the directory {directory.name} does not answer: {error}") from error
        if answer is None:
            log.info("refused unseen", directory=directory.name, name=address)
            return ""
        found, refusal = answer
        if found is None:
            log.warning("not let in", directory=directory.name, name=address, why=refusal.value)
            if refusal in _GUESSES:
                return ""
            raise PasswordRefused(f"{directory.name}: {refusal.value}")
        account = await self._account_of(directory, found)
        if account and self._rules.remember:
            key = f"right {entry_id(directory, found)}"
            self._proofs.add(self._proof(directory, key, octets, self._rules.remember // 2 or 1, 0))
        return account

    async def _guess_once(
        self, directory: LdapDirectory, address: Address, password: str, wrong: bytes, known: bool
    ) -> _Answer | None:
        """One question however many connections of a program ask the same at once."""
        key = wrong, known
        running = self._running.get(key)
        if running is None:
            running = asyncio.ensure_future(self._guess(directory, address, password, wrong, known))
            self._running[key] = running
            running.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(running)

    async def _guess(
        self, directory: LdapDirectory, address: Address, password: str, wrong: bytes, known: bool
    ) -> _Answer | None:
        """None where the server must not hear of it. Raises LdapUnavailable, CertificateError."""
        if not known and not await self._take_guess(directory, address):
            return None
        try:
            answer = await self._ask(directory, address, password)
        except (LdapUnavailable, CertificateError):
            await self._give_back(directory, address, known)
            raise
        if answer[0] is None and answer[1] in _GUESSES:
            self._proofs.add(wrong)
        else:
            await self._give_back(directory, address, known)
        return answer

    async def _take_guess(self, directory: LdapDirectory, address: Address) -> bool:
        """Directories lock an account after some wrong passwords, wherever they come from: strangers are
        stopped here before that, so that they lock nobody out of the whole company. Counted before the server
        is asked: who tries many passwords at once is not ahead of the count."""
        if not self._rules.guesses:
            return True
        key, now = _guess_key(directory, address), self._clock.now()

        async def work(tx: Tx) -> bool:
            past = (await tx.login_failures((key,))).get(key)
            if past is not None and past.last + GUESSING_SECONDS < now:
                await tx.clear_login_failures((key,))
                past = None
            if past is not None and past.failures >= self._rules.guesses:
                return False
            await tx.record_login_failure(key, now)
            return True

        return await self._store.transact(work, durable=False)

    async def _give_back(self, directory: LdapDirectory, address: Address, known: bool) -> None:
        """What `_take_guess` counted was no wrong password."""
        if known or not self._rules.guesses:
            return
        key = _guess_key(directory, address)

        async def work(tx: Tx) -> None:
            past = (await tx.login_failures((key,))).get(key)
            if past is None:
                return
            await tx.clear_login_failures((key,))
            for _ in range(past.failures - 1):
                await tx.record_login_failure(key, past.last)

        await self._store.transact(work, durable=False)

    async def _ask(self, directory: LdapDirectory, address: Address, password: str) -> _Answer:
        """The entry whose password this is, or why there is none. Raises LdapUnavailable."""
        readers, people = self._pools_of(directory)
        if directory.login is DirectoryLogin.BIND:
            return await people.run(lambda one: _by_template(directory, address, password, one))
        entry = await readers.run(lambda one: _look_for(directory, address, one))
        dn = entry.dn if entry is not None else f"cn=nobody,{directory.base}"
        result = await people.run(lambda one: one.bind(dn, password))
        if entry is None:
            return None, Standing.UNKNOWN
        answer = standing(result)
        if answer is Standing.RIGHT and is_disabled(entry):
            answer = Standing.DISABLED
        return (entry, answer) if answer is Standing.RIGHT else (None, answer)

    async def _account_of(self, directory: LdapDirectory, entry: Entry) -> str:
        """The name of the account that is this entry, made now for a new person; "" where there is none."""
        try:
            known = entry_id(directory, entry)
            link = await self._store.reader.directory_entry(directory.name, known)
            if link is None:
                full = await self._whole(directory, entry)
                person = person_of(directory, full)
                settled = await self._store.transact(lambda tx: settle_person(tx, directory, person))
                if settled.account_id is None:
                    why = "; ".join(settled.problems) or "disabled"
                    log.warning("no account", directory=directory.name, dn=entry.dn, why=why)
                    return ""
                log.info("account made", directory=directory.name, account=person.main)
                return (await self._store.reader.account(settled.account_id)).name
        except EntryProblem as problem:
            log.warning("no account", directory=directory.name, dn=entry.dn, why=problem)
            return ""
        return (await self._store.reader.account(link.account_id)).name

    async def _whole(self, directory: LdapDirectory, entry: Entry) -> Entry:
        """The entry with all that an account is made of."""
        if directory.login is DirectoryLogin.BIND:
            return entry

        async def read(connection: LdapConnection) -> list[Entry]:
            await as_reader(directory, connection)
            return await connection.search(entry.dn, directory.people, wanted(directory), only_base=True)

        readers, _ = self._pools_of(directory)
        try:
            found = await readers.run(read)
        except LdapUnavailable as error:
            raise StoreUnavailable(str(error)) from error
        if not found:
            raise EntryProblem(f"{entry.dn} is gone")
        return found[0]

    async def _remembered(self, directory: LdapDirectory, address: Address, octets: bytes) -> str:
        """The account, if the password was right in the time that the rules give; "" if not."""
        account = await self._account(address)
        if account is None or not self._rules.remember:
            return ""
        link = await self._store.reader.directory_person(account.account_id)
        if link is None or not link.present:
            return ""
        span = self._rules.remember // 2 or 1
        proofs = (self._proof(directory, f"right {link.entry_id}", octets, span, ago) for ago in (0, 1))
        return account.name if any(proof in self._proofs for proof in proofs) else ""

    def _proof(self, directory: LdapDirectory, what: str, octets: bytes, span: int, ago: int) -> bytes:
        """Keyed, and worth nothing once `span` seconds of the clock, and the next, are over."""
        when = int(self._clock.now()) // span - ago
        return self._proofs.proof(f"directory {directory.name} {what} {when}", octets)

    # ------------------------------------------------------------------ connections

    def _pools_of(self, directory: LdapDirectory) -> tuple[LdapPool, LdapPool]:
        """For reading, and for letting people in: who is let in has that person's rights. Raises
        CertificateError."""
        known, stamp = self._pools.get(directory.name), _stamp(directory)
        if known is None or known[0] != (directory, stamp):
            for pool in known[1:] if known is not None else ():
                pool.close()
            terms = login_terms(directory, self._rules.seconds)
            servers = [parse_server(url) for url in directory.servers]
            readers, people = (LdapPool(servers, terms, self._clock) for _ in range(2))
            known = ((directory, stamp), readers, people)
            self._pools[directory.name] = known
        return known[1], known[2]

    def _forget_pools(self) -> None:
        for _, *pools in self._pools.values():
            for pool in pools:
                pool.close()
        self._pools.clear()


def _stamp(directory: LdapDirectory) -> int:
    """Changes with the file of authorities, which is read again then."""
    try:
        return os.stat(directory.authorities).st_mtime_ns if directory.authorities else 0
    except OSError:
        return 0


def _guess_key(directory: LdapDirectory, address: Address) -> str:
    return f"directory:{directory.name} {address.lookup_key}"


async def _look_for(directory: LdapDirectory, address: Address, connection: LdapConnection) -> Entry | None:
    """The one entry with that address among its login attributes; none where there are two."""
    await as_reader(directory, connection)
    attributes = (directory.id_attribute, *STATE_ATTRIBUTES)
    found = await connection.search(directory.base, login_filter(directory, address), attributes, limit=2)
    if len(found) > 1:
        log.warning("two entries for one login", directory=directory.name, name=address, dn=found[0].dn)
        return None
    return found[0] if found else None


def login_filter(directory: LdapDirectory, address: Address) -> str:
    """People whose login attributes have the address; "SMTP:" stands before it in proxyAddresses."""
    text = filter_value(str(address))
    values = [
        f"({name}={'smtp:' if name.lower() == 'proxyaddresses' else ''}{text})"
        for name in directory.login_attributes
    ]
    return f"(&{directory.people}(|{''.join(values)}))"


async def _by_template(
    directory: LdapDirectory, address: Address, password: str, connection: LdapConnection
) -> tuple[Entry | None, Standing]:
    """Let in by the name that the template makes, the person reads the own entry."""
    plain = {"address": str(address), "user": address.local_part, "domain": str(address.domain)}
    is_dn = "=" in directory.template
    name = fill(directory.template, _escaped(plain) if is_dn else plain)
    answer = standing(await connection.bind(name, password))
    if answer is not Standing.RIGHT:
        return None, answer
    dn = name if is_dn else await _own_dn(directory, name, connection)
    found = await connection.search(dn, directory.people, wanted(directory), only_base=True) if dn else []
    if len(found) != 1:
        return None, Standing.NOT_OURS  # about this one alone: the server has answered
    return (None, Standing.DISABLED) if is_disabled(found[0]) else (found[0], Standing.RIGHT)


async def _own_dn(directory: LdapDirectory, name: str, connection: LdapConnection) -> str:
    """Of whom Active Directory has let in by a name that is none of an entry ([MS-ADTS] 5.1.1.1.1): whose
    userPrincipalName it is, else whose sAMAccountName is in it. Never whoever has the address that was typed:
    that may be somebody else. "" where it is not shown."""
    account = name.rpartition("\\")[2].partition("@")[0]
    for attribute, value in (("userPrincipalName", name), ("sAMAccountName", account)):
        asked = f"({attribute}={filter_value(value)})"
        found = await connection.search(directory.base, asked, (directory.id_attribute,), limit=2)
        if found:
            return found[0].dn if len(found) == 1 else ""
    return ""


def _escaped(values: Mapping[str, str]) -> dict[str, str]:
    return {name: dn_value(value) for name, value in values.items()}


def _address(name: str) -> Address | None:
    try:
        return Address.parse(name)
    except ValueError:
        return None
