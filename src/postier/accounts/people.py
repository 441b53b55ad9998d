"""Adding and removing people and aliases: the checks that the command line and the portal share."""

from __future__ import annotations

from collections.abc import Sequence

from postier.accounts.directory import POSTMASTER_META
from postier.accounts.mailboxes import create_defaults
from postier.accounts.switches import forget_switches
from postier.base.address import Address
from postier.base.domain import Domain
from postier.store.api import Account, AccountId, AccountKind, AddressTarget, AlreadyExists, Reader, Store, Tx

__all__ = [
    "PeopleError",
    "add_alias",
    "add_people",
    "add_person",
    "add_shared",
    "find_person",
    "remove_alias",
    "remove_domain",
    "remove_person",
    "set_administrator",
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
) -> AccountId:
    """An account with its mailboxes. Raises PeopleError: domain not ours, address taken."""

    async def work(tx: Tx) -> AccountId:
        account_id = await _add(tx, address, password_hash, display_name, quota)
        if language:
            await tx.set_language(account_id, language)
        return account_id

    return await store.transact(work)


async def add_shared(store: Store, address: Address, *, display_name: str = "") -> AccountId:
    """An account without a password, for mail that several people share. Raises PeopleError."""

    async def work(tx: Tx) -> AccountId:
        return await _add(tx, address, "", display_name, 0, kind=AccountKind.SHARED)

    return await store.transact(work)


async def add_people(store: Store, people: Sequence[tuple[Address, str]]) -> None:
    """Several at once, each with its password hash: all or none. Raises PeopleError."""

    async def work(tx: Tx) -> None:
        for address, password_hash in people:
            await _add(tx, address, password_hash, "", 0)

    await store.transact(work)


async def set_password(store: Store, address: Address, password_hash: str) -> None:
    """Raises PeopleError."""

    async def work(tx: Tx) -> None:
        account = await find_person(tx, address)
        await tx.set_password_hash(account.account_id, password_hash)

    await store.transact(work)


async def set_limits(
    store: Store,
    address: Address,
    *,
    octets: int | None = None,
    messages: int | None = None,
    mailboxes: int | None = None,
) -> Account:
    """Limits of what the account may hold, 0 for none; None leaves one as it is. The account as it is then.
    Raises PeopleError."""

    async def work(tx: Tx) -> Account:
        account = await find_person(tx, address)
        await tx.set_quota(
            account.account_id,
            octets=account.quota if octets is None else octets,
            messages=account.message_quota if messages is None else messages,
            mailboxes=account.mailbox_quota if mailboxes is None else mailboxes,
        )
        return await tx.account(account.account_id)

    return await store.transact(work)


async def set_language(store: Store, address: Address, language: str) -> None:
    """What the person is told reports in, "" for the domain's. Raises PeopleError."""

    async def work(tx: Tx) -> None:
        await tx.set_language((await find_person(tx, address)).account_id, language)

    await store.transact(work)


async def set_administrator(store: Store, address: Address, administrator: bool) -> None:
    """Raises PeopleError."""

    async def work(tx: Tx) -> None:
        await tx.set_administrator((await find_person(tx, address)).account_id, administrator)

    await store.transact(work)


async def remove_person(store: Store, address: Address) -> None:
    """With all mail. Raises PeopleError."""

    async def work(tx: Tx) -> None:
        account = await find_person(tx, address)
        await forget_switches(tx, account.account_id)
        await tx.remove_account(account.account_id)

    await store.transact(work)


async def set_postmaster(store: Store, address: Address) -> None:
    """This person reads what comes for postmaster: of this server, and of each domain where the address is
    nobody else's (RFC 5321 4.5.1). Raises PeopleError."""

    async def work(tx: Tx) -> None:
        await tx.set_meta(POSTMASTER_META, str((await find_person(tx, address)).account_id))

    await store.transact(work)


async def set_send_as(store: Store, whose: Address | Domain, address: Address, allowed: bool) -> bool:
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
        return await tx.set_send_as(person.account_id, pattern, allowed)

    return await store.transact(work)


async def add_alias(store: Store, address: Address, targets: Sequence[Address]) -> None:
    """`address` stands for all `targets`, ours or others'. Raises PeopleError."""

    async def work(tx: Tx) -> None:
        await _require_domain(tx, address)
        if await tx.account_named(address.lookup_key) is not None:
            raise PeopleError(f"{address.lookup_key} is a person; an alias needs an address of its own")
        await tx.set_address(address.lookup_key, [await _target(tx, target) for target in targets])

    await store.transact(work)


async def remove_alias(store: Store, address: Address) -> None:
    """Raises PeopleError."""

    async def work(tx: Tx) -> None:
        entry = await tx.address(address.lookup_key)
        if entry is None or not entry.is_alias:
            raise PeopleError(f"there is no alias {address.lookup_key}")
        await tx.set_address(address.lookup_key, [])

    await store.transact(work)


async def remove_domain(store: Store, domain: Domain) -> None:
    """Only a domain without addresses. Raises PeopleError."""

    async def work(tx: Tx) -> None:
        left = [e.address for e in await tx.addresses() if e.address.endswith(f"@{domain}")]
        if left:
            raise PeopleError(f"{domain} still has addresses, {left[0]} for one; remove them first")
        if not await tx.remove_domain(domain.ascii):
            raise PeopleError(f"{domain} is not a domain of this server")

    await store.transact(work)


async def _add(
    tx: Tx,
    address: Address,
    password_hash: str,
    display_name: str,
    quota: int,
    *,
    kind: AccountKind = AccountKind.PERSON,
) -> AccountId:
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


async def _require_domain(tx: Tx, address: Address) -> None:
    if await tx.domain(str(address.domain)) is None:
        raise PeopleError(f"{address.domain} is not a domain of this server; add it with: postier domain add")
