"""Adding and removing people and aliases: the checks that the command line and the portal share.

`by`: who does it, for the audit log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from postier.accounts.audit import BY_SERVER, Actor, AuditKind, note
from postier.accounts.directory import POSTMASTER_META
from postier.accounts.mailboxes import create_defaults
from postier.accounts.quota import set_room
from postier.accounts.switches import forget_switches
from postier.base.address import Address
from postier.base.domain import Domain
from postier.store.api import Account, AccountId, AccountKind, AddressTarget, AlreadyExists, Reader, Store, Tx

__all__ = [
    "PeopleError",
    "add_account",
    "add_alias",
    "add_people",
    "add_person",
    "add_shared",
    "find_person",
    "remove_alias",
    "remove_domain",
    "remove_person",
    "set_administrator",
    "set_app_passwords_only",
    "set_enabled",
    "set_language",
    "set_limits",
    "set_password",
    "set_postmaster",
    "set_send_as",
]


class PeopleError(Exception):
    """What can't be done, in one sentence for whoever asked."""


async def add_person(
    store: Store,
    address: Address,
    password_hash: str,
    *,
    display_name: str = "",
    quota: int = 0,
    language: str = "",
    by: Actor = BY_SERVER,
) -> AccountId:
    """An account with its mailboxes. Raises PeopleError: domain not ours, address taken."""

    async def work(tx: Tx) -> AccountId:
        account_id = await add_account(tx, address, password_hash, display_name, quota, by=by)
        if language:
            await tx.set_language(account_id, language)
        return account_id

    return await store.transact(work)


async def add_shared(
    store: Store, address: Address, *, display_name: str = "", by: Actor = BY_SERVER
) -> AccountId:
    """An account without a password, for mail that several people share. Raises PeopleError."""

    async def work(tx: Tx) -> AccountId:
        return await add_account(tx, address, "", display_name, 0, kind=AccountKind.SHARED, by=by)

    return await store.transact(work)


async def add_people(store: Store, people: Sequence[tuple[Address, str]], *, by: Actor = BY_SERVER) -> None:
    """Several at once, each with its password hash: all or none. Raises PeopleError."""

    async def work(tx: Tx) -> None:
        for address, password_hash in people:
            await add_account(tx, address, password_hash, "", 0, by=by)

    await store.transact(work)


async def set_password(store: Store, address: Address, password_hash: str, *, by: Actor = BY_SERVER) -> None:
    """Raises PeopleError."""

    async def work(tx: Tx) -> None:
        account = await find_person(tx, address)
        await _require_own(tx, account, "change the password there")
        await tx.set_password_hash(account.account_id, password_hash)
        await note(tx, by, AuditKind.PASSWORD, account)

    await store.transact(work)


async def set_limits(
    store: Store,
    address: Address,
    *,
    octets: int | None = None,
    messages: int | None = None,
    mailboxes: int | None = None,
    by: Actor = BY_SERVER,
) -> Account:
    """Limits of what the account may hold, 0 for none; None leaves one as it is. The account as it is then.
    Raises PeopleError."""

    async def work(tx: Tx) -> Account:
        account = await find_person(tx, address)
        if octets is not None:
            await _require_own_quota(tx, account)
        return await set_room(
            tx,
            account,
            octets=account.quota if octets is None else octets,
            messages=account.message_quota if messages is None else messages,
            mailboxes=account.mailbox_quota if mailboxes is None else mailboxes,
            by=by,
        )

    return await store.transact(work)


async def set_language(store: Store, address: Address, language: str, *, by: Actor = BY_SERVER) -> None:
    """What the person is told reports in, "" for the domain's. Raises PeopleError."""

    async def work(tx: Tx) -> None:
        account = await find_person(tx, address)
        await tx.set_language(account.account_id, language)
        await note(tx, by, AuditKind.LANGUAGE, account, language=language or "default")

    await store.transact(work)


async def set_administrator(
    store: Store, address: Address, administrator: bool, *, by: Actor = BY_SERVER
) -> None:
    """Raises PeopleError."""

    async def work(tx: Tx) -> None:
        account = await find_person(tx, address)
        await tx.set_administrator(account.account_id, administrator)
        kind = AuditKind.ADMINISTRATOR if administrator else AuditKind.ADMINISTRATOR_ENDED
        await note(tx, by, kind, account)

    await store.transact(work)


async def set_enabled(store: Store, address: Address, enabled: bool, *, by: Actor = BY_SERVER) -> None:
    """Whether the person may log in at all. Raises PeopleError."""

    async def work(tx: Tx) -> None:
        account = await find_person(tx, address)
        await tx.set_account_enabled(account.account_id, enabled)
        kind = AuditKind.ACCOUNT_ENABLED if enabled else AuditKind.ACCOUNT_DISABLED
        await note(tx, by, kind, account)

    await store.transact(work)


async def set_app_passwords_only(
    store: Store, address: Address, demanded: bool, *, by: Actor = BY_SERVER
) -> None:
    """The person's mail programs need app passwords, tokens or certificates. Raises PeopleError."""

    async def work(tx: Tx) -> None:
        account = await find_person(tx, address)
        await tx.set_app_passwords_only(account.account_id, demanded)
        kind = AuditKind.APP_PASSWORDS_DEMANDED if demanded else AuditKind.APP_PASSWORDS_OPTIONAL
        await note(tx, by, kind, account)

    await store.transact(work)


async def remove_person(store: Store, address: Address, *, by: Actor = BY_SERVER) -> None:
    """With all mail. Raises PeopleError."""

    async def work(tx: Tx) -> None:
        account = await find_person(tx, address)
        await _require_own(tx, account, "remove the person there first", gone=True)
        await forget_switches(tx, account.account_id)
        await tx.remove_account(account.account_id)
        await note(tx, by, AuditKind.ACCOUNT_REMOVED, account)

    await store.transact(work)


async def set_postmaster(store: Store, address: Address, *, by: Actor = BY_SERVER) -> None:
    """This person reads what comes for postmaster: of this server, and of each domain where the address is
    nobody else's (RFC 5321 4.5.1). Raises PeopleError."""

    async def work(tx: Tx) -> None:
        account = await find_person(tx, address)
        await tx.set_meta(POSTMASTER_META, str(account.account_id))
        await note(tx, by, AuditKind.POSTMASTER, account)

    await store.transact(work)


async def set_send_as(
    store: Store, whose: Address | Domain, address: Address, allowed: bool, *, by: Actor = BY_SERVER
) -> bool:
    """Let the person at `address` write as `whose` (all addresses of an account, an alias, or everybody of a
    domain), or no longer. False where that was so before. Raises PeopleError."""

    async def work(tx: Tx) -> bool:
        person = await find_person(tx, address)
        if isinstance(whose, Domain):
            if allowed and await tx.domain(whose.ascii) is None:
                raise PeopleError(f"{whose} is not a domain of this server")
            pattern = f"*@{whose}"
        else:
            pattern = whose.lookup_key
            if allowed and await tx.address(pattern) is None:
                raise PeopleError(f"there is no address {pattern}")
        is_new = await tx.set_send_as(person.account_id, pattern, allowed)
        if is_new:
            await _note_send_as(tx, person, pattern, allowed, by)
        return is_new

    return await store.transact(work)


async def _note_send_as(tx: Tx, person: Account, pattern: str, allowed: bool, by: Actor) -> None:
    """With the person, and with the account that is written as."""
    got, gave = (
        (AuditKind.SEND_AS, AuditKind.SENT_AS)
        if allowed
        else (AuditKind.SEND_AS_ENDED, AuditKind.SENT_AS_ENDED)
    )
    await note(tx, by, got, person, pattern=pattern)
    entry = await tx.address(pattern)
    owners = {target.account_id for target in entry.targets} if entry is not None else set()
    for owner in sorted(one for one in owners if one not in (None, person.account_id)):
        await note(tx, by, gave, await tx.account(owner), who=person.name, pattern=pattern)


async def add_alias(
    store: Store, address: Address, targets: Sequence[Address], *, by: Actor = BY_SERVER
) -> None:
    """`address` stands for all `targets`, ours or others'. Raises PeopleError."""

    async def work(tx: Tx) -> None:
        await _require_domain(tx, address)
        if await tx.account_named(address.lookup_key) is not None:
            raise PeopleError(f"{address.lookup_key} is a person; an alias needs an address of its own")
        known = await tx.address(address.lookup_key)
        entry = [await _target(tx, target) for target in targets]
        await tx.set_address(address.lookup_key, entry)
        before = known.targets if known is not None else ()
        names = ", ".join(str(target) for target in targets)
        for concerned in await _concerned(tx, [*before, *entry]):
            await note(tx, by, AuditKind.ALIAS, concerned, address=address.lookup_key, targets=names)

    await store.transact(work)


async def remove_alias(store: Store, address: Address, *, by: Actor = BY_SERVER) -> None:
    """Raises PeopleError."""

    async def work(tx: Tx) -> None:
        entry = await tx.address(address.lookup_key)
        if entry is None or not entry.is_alias:
            raise PeopleError(f"there is no alias {address.lookup_key}")
        await tx.set_address(address.lookup_key, [])
        for concerned in await _concerned(tx, entry.targets):
            await note(tx, by, AuditKind.ALIAS_REMOVED, concerned, address=address.lookup_key)

    await store.transact(work)


async def _concerned(tx: Tx, targets: Iterable[AddressTarget]) -> list[Account | None]:
    """The accounts among the targets; the server as a whole (None) where there is none."""
    found = {target.account_id for target in targets if target.account_id is not None}
    return [await tx.account(account_id) for account_id in sorted(found)] or [None]


async def remove_domain(store: Store, domain: Domain, *, by: Actor = BY_SERVER) -> None:
    """Only a domain without addresses. Raises PeopleError."""

    async def work(tx: Tx) -> None:
        left = [e.address for e in await tx.addresses() if e.address.endswith(f"@{domain}")]
        if left:
            raise PeopleError(f"{domain} still has addresses, {left[0]} for one; remove them first")
        if not await tx.remove_domain(domain.ascii):
            raise PeopleError(f"{domain} is not a domain of this server")
        await note(tx, by, AuditKind.DOMAIN_REMOVED, domain=domain.ascii)

    await store.transact(work)


async def add_account(
    tx: Tx,
    address: Address,
    password_hash: str,
    display_name: str,
    quota: int,
    *,
    kind: AccountKind = AccountKind.PERSON,
    by: Actor,
) -> AccountId:
    """An account with its mailboxes, within a transaction. Raises PeopleError: domain not ours, address
    taken."""
    await _require_domain(tx, address)
    if await tx.address(address.lookup_key) is not None:
        raise PeopleError(f"{address.lookup_key} is taken")
    try:
        account_id = await tx.add_account(
            address.lookup_key, kind, password_hash, quota=quota, display_name=display_name
        )
    except AlreadyExists:
        raise PeopleError(f"{address.lookup_key} is taken") from None
    await create_defaults(tx, account_id)
    await note(tx, by, AuditKind.ACCOUNT_ADDED, await tx.account(account_id), sort=kind.value)
    return account_id


async def _target(tx: Tx, address: Address) -> AddressTarget:
    entry = await tx.address(address.lookup_key)
    if entry is not None and not entry.is_alias:
        return entry.targets[0]
    if entry is None and await tx.domain(str(address.domain)) is not None:
        raise PeopleError(f"{address.lookup_key} does not exist")
    return AddressTarget(None, str(address))


async def find_person(reader: Reader, address: Address) -> Account:
    """Raises PeopleError."""
    account = await reader.account_named(address.lookup_key)
    if account is None:
        raise PeopleError(f"there is nobody called {address.lookup_key}")
    return account


async def _require_own(reader: Reader, account: Account, otherwise: str, *, gone: bool = False) -> None:
    """Raises PeopleError for an account that comes from a directory; with `gone` not where it left that."""
    link = await reader.directory_person(account.account_id)
    if link is not None and not (gone and not link.present):
        raise PeopleError(f"{account.name} comes from the directory {link.directory}: {otherwise}")


async def _require_own_quota(reader: Reader, account: Account) -> None:
    """Raises PeopleError where the account's directory says what the account may keep."""
    link = await reader.directory_person(account.account_id)
    for directory in await reader.ldap_directories() if link is not None else ():
        if link is not None and directory.name == link.directory and directory.quota_attribute:
            await _require_own(reader, account, f"its {directory.quota_attribute} says so there")


async def _require_domain(tx: Tx, address: Address) -> None:
    if await tx.domain(str(address.domain)) is None:
        raise PeopleError(f"{address.domain} is not a domain of this server; add it with: postier domain add")
