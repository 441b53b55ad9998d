"""Comparing accounts with a directory, and making them what it says.

Each person is a transaction of its own, and doing it twice changes nothing more: whatever ends a comparison
in the middle, the next one goes on. Nothing here deletes mail.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from postier.accounts.rights import normal
from postier.base.clock import Clock
from postier.base.log import Log
from postier.directories.entry import contested
from postier.directories.settle import (
    Settled,
    settle_alias,
    settle_gone,
    settle_members,
    settle_person,
)
from postier.directories.source import Listing, MailGroup, read_listing
from postier.ldap.client import LdapUnavailable, Terms
from postier.net.tls import CertificateError
from postier.store.api import Account, AccountId, LdapDirectory, Store, SyncState, Tx

__all__ = ["MOST_GONE", "SyncOptions", "SyncReport", "sync_directory", "too_many_gone"]

MOST_GONE = 5
"""One of so many people may go at once without being asked about: a fifth."""
MAX_WORDS = 500

Result = TypeVar("Result")

log = Log("directory")


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """`adopt`: accounts of our own become those of people with the same address. `force`: however many go.
    `dry_run`: only say what would be."""

    adopt: bool = False
    force: bool = False
    dry_run: bool = False


@dataclass(slots=True)
class SyncReport:
    """Sentences for a person. `stopped`: why nothing was changed, "" where all was compared."""

    people: int = 0
    changes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    stopped: str = ""

    @property
    def words(self) -> str:
        if self.stopped:
            return self.stopped[:MAX_WORDS]
        counts = (
            (self.people, "person", "people"),
            (len(self.changes), "change", "changes"),
            (len(self.problems), "problem", "problems"),
        )
        return ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in counts)

    def note(self, settled: Settled) -> None:
        self.changes += settled.changes
        self.problems += settled.problems


class _Undo(Exception):
    """Ends a transaction that was only tried."""

    def __init__(self, result: Any) -> None:
        super().__init__("tried")
        self.result = result


def too_many_gone(present: int, gone: int) -> bool:
    """More than a fifth, and more than one: that looks like a wrong filter, not like people who left."""
    return gone > 1 and gone * MOST_GONE > present


async def sync_directory(
    store: Store,
    clock: Clock,
    directory: LdapDirectory,
    terms: Callable[[LdapDirectory], Terms],
    options: SyncOptions,
) -> SyncReport:
    """What was changed, or why nothing was. Raises StoreError."""
    report = SyncReport()
    try:
        listing = await _in_a_thread(lambda: read_listing(directory, terms(directory)))
    except (LdapUnavailable, CertificateError) as error:
        report.stopped = str(error)
    else:
        await _Comparison(store, directory, listing, options, report).run()
    if not options.dry_run:
        now = int(clock.now())

        async def note(tx: Tx) -> None:
            before = await tx.sync_state(directory.name)
            succeeded = before.succeeded if report.stopped else now
            await tx.set_sync_state(directory.name, SyncState(now, succeeded, report.words))

        await store.transact(note)
    return report


class _Comparison:
    """One directory's listing beside the accounts."""

    def __init__(
        self,
        store: Store,
        directory: LdapDirectory,
        listing: Listing,
        options: SyncOptions,
        report: SyncReport,
    ) -> None:
        self._store = store
        self._directory = directory
        self._listing = listing
        self._options = options
        self._report = report

    async def run(self) -> None:
        listing, report = self._listing, self._report
        report.people = len(listing.people)
        report.problems += listing.problems
        reader = self._store.reader
        links = [link for link in await reader.directory_people(self._directory.name) if link.present]
        off = {person.entry_id for person in listing.people if not person.enabled}
        gone = [link for link in links if link.entry_id not in listing.seen]
        leaving = len(gone) + sum(link.entry_id in off for link in links)
        if too_many_gone(len(links), leaving) and not self._options.force:
            report.stopped = (
                f"{leaving} of {len(links)} people are gone from {self._directory.name} or disabled there: is"
                f" its filter right? Nothing was changed; if they did leave, compare with --force"
            )
            return
        for link in gone:
            report.changes += await self._do(
                partial(settle_gone, link=link, why="gone from the directory", directory=self._directory)
            )
        await self._people()
        await self._groups()

    async def _people(self) -> None:
        doubtful = contested(self._listing.people)

        def settling(person: Any) -> Callable[[Tx], Awaitable[Settled]]:
            return lambda tx: settle_person(
                tx, self._directory, person, contested=doubtful, adopt=self._options.adopt
            )

        for person in self._listing.people:
            self._report.note(await self._do(settling(person)))

    async def _groups(self) -> None:
        reader, directory, listing = self._store.reader, self._directory, self._listing
        links = await reader.directory_people(directory.name)
        accounts = {link.entry_id: link.account_id for link in links if link.present}
        unknown = {group.address for group in directory.groups if listing.members[group.dn] is None}
        wanted: dict[str, dict[AccountId, tuple[str, bool]]] = {}
        aliases = [(group, True) for group in listing.mail_groups]
        for group in directory.groups:
            members = listing.members[group.dn] or frozenset()
            if not group.rights:
                aliases.append((MailGroup(group.dn, group.address, members), group.address not in unknown))
                continue
            given = wanted.setdefault(group.address, {})
            for account_id in (accounts[member] for member in members if member in accounts):
                letters, send_as = given.get(account_id, ("", False))
                given[account_id] = (normal(letters + group.rights), send_as or group.send_as)
        for owner in await self._owners(wanted):
            if owner.name not in unknown:
                self._report.note(await self._members(owner, wanted.get(owner.name, {})))
        for mail_group, known in aliases:
            if known:
                await self._alias(mail_group, accounts)
        await self._forget_aliases({group.address for group, _ in aliases})

    async def _owners(self, wanted: dict[str, Any]) -> list[Account]:
        reader, found = self._store.reader, {}
        for address in wanted:
            account = await reader.account_named(address)
            if account is None:
                self._report.problems.append(f"there is no shared account {address}")
            else:
                found[account.account_id] = account
        for member in await reader.directory_members(self._directory.name):
            if member.owner_id not in found:
                found[member.owner_id] = await reader.account(member.owner_id)
        return list(found.values())

    async def _members(self, owner: Account, wanted: dict[AccountId, tuple[str, bool]]) -> Settled:
        return await self._do(lambda tx: settle_members(tx, owner, self._directory, wanted))

    async def _alias(self, group: MailGroup, accounts: dict[str, AccountId]) -> None:
        members = {accounts[member] for member in group.members if member in accounts}
        self._report.note(await self._do(lambda tx: settle_alias(tx, self._directory, group, members)))

    async def _forget_aliases(self, kept: set[str]) -> None:
        for address in await self._store.reader.directory_aliases(self._directory.name):
            if address not in kept:
                gone = MailGroup("a group that is gone", address, frozenset())
                forget = partial(settle_alias, directory=self._directory, group=gone, members=())
                self._report.note(await self._do(forget))

    async def _do(self, work: Callable[[Tx], Awaitable[Result]]) -> Result:
        if not self._options.dry_run:
            return await self._store.transact(work)

        async def tried(tx: Tx) -> Result:
            raise _Undo(await work(tx))

        try:
            return await self._store.transact(tried)
        except _Undo as undone:
            result: Result = undone.result
            return result


async def _in_a_thread(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """On an event loop of its own, so that thousands of entries stop nobody here; the thread ends with the
    process, whatever the server does."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def tell(result: Result | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: Result | None = None
        error: BaseException | None = None
        try:
            result = asyncio.run(work())
        except BaseException as failure:
            error = failure
        try:
            loop.call_soon_threadsafe(tell, result, error)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    threading.Thread(target=run, name="directory", daemon=True).start()
    return await done
