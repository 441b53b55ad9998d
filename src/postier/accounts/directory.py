"""Who gets the mail of an address, and who may write in its name."""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass

from postier.accounts.domains import settings_of, signers_for
from postier.accounts.report_returns import report_tag
from postier.accounts.room import has_room
from postier.accounts.srs import SrsError, is_return_address, original, return_address
from postier.base.address import Address
from postier.base.clock import Clock, SystemClock
from postier.base.domain import AddressLiteral, Domain
from postier.base.log import Log
from postier.mailauth.dkim.sign import Signer
from postier.store.api import (
    Account,
    AccountId,
    AddressTarget,
    DirectoryAddress,
    NoSuchAccount,
    Reader,
    Store,
    Tx,
)

__all__ = ["POSTMASTER_META", "REPORTS", "Directory", "RecipientKind", "Resolution", "language_of"]

MAX_ALIAS_DEPTH = 10
MAX_TARGETS = 1000
SUBADDRESS_SEPARATOR = "+"
SRS_KEY_META = "srs-key"
REPORTS = "dmarc-reports"
"""The local part to which each domain of ours asks for reports; an address of that name goes before."""
POSTMASTER_META = "postmaster"
"""Key of the store's meta fact that holds the account id of whoever answers for this server."""

log = Log("directory")


class RecipientKind(enum.Enum):
    """LOCAL: an address of ours. UNKNOWN: our domain, but no such address. FOREIGN: another's domain."""

    LOCAL = "local"
    UNKNOWN = "unknown"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Resolution:
    """Where the mail of one address goes: accounts of ours and foreign addresses it is forwarded to.

    `returns`: it takes only what is returned: to a sender whose mail we forwarded (see srs.py), or to us, of
    reports to other domains, then with their `report_tag` (see report_returns.py).
    `reports`: what comes is read as a report of others about the domain (see reports/inbox.py).
    `full`: it goes to one account alone, and that one has used up its quota or has not the room asked for.
    """

    kind: RecipientKind
    accounts: tuple[AccountId, ...] = ()
    forwards: tuple[Address, ...] = ()
    full: bool = False
    returns: bool = False
    report_tag: str = ""
    reports: bool = False


class Directory:
    """Answers from the store, never stale."""

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or SystemClock()

    async def is_local_domain(self, domain: Domain | AddressLiteral) -> bool:
        return isinstance(domain, Domain) and await self._store.reader.domain(domain.ascii) is not None

    async def resolve(self, address: Address, *, size: int = 0) -> Resolution:
        """Exact address first, then without its subaddress, then postmaster, then the catch-all.

        Aliases may name aliases, ten deep; a target that leads nowhere is left out. `size`: the octets that
        should find room.
        """
        if not await self.is_local_domain(address.domain):
            return Resolution(RecipientKind.FOREIGN)
        reader = self._store.reader
        if is_return_address(address.local_part) and await reader.address(address.lookup_key) is None:
            return await self._returned(address)
        if (tag := report_tag(address.local_part)) and await reader.report_target_of_tag(tag) is not None:
            return Resolution(RecipientKind.LOCAL, returns=True, report_tag=tag)
        if address.local_part.casefold() == REPORTS and await reader.address(address.lookup_key) is None:
            return Resolution(RecipientKind.LOCAL, reports=True)
        targets = await _targets(reader, address)
        if not targets:
            return Resolution(RecipientKind.UNKNOWN)
        accounts, forwards = await self._expand(reader, targets)
        if not accounts and not forwards:
            return Resolution(RecipientKind.UNKNOWN)
        full = len(accounts) == 1 and not forwards and await _is_full(reader, next(iter(accounts)), size)
        return Resolution(RecipientKind.LOCAL, tuple(accounts), tuple(forwards), full)

    async def return_path(self, reverse_path: str, alias: Address) -> str:
        """The reverse-path of mail that `alias` forwards (not the null path): a return address where it is a
        stranger's, and where that finds room. Raises StoreError."""
        path = Address.parse(reverse_path)
        if (
            await self.is_local_domain(path.domain)
            or not isinstance(alias.domain, Domain)
            or not await self.is_local_domain(alias.domain)
        ):
            return reverse_path
        key = await self._store.reader.meta(SRS_KEY_META)
        if key is None:
            key = await self._store.transact(_make_srs_key)
        found = return_address(path, alias.domain, bytes.fromhex(key), self._clock.now())
        return reverse_path if found is None else str(found)

    async def _returned(self, address: Address) -> Resolution:
        key = await self._store.reader.meta(SRS_KEY_META)
        if key is None:
            return Resolution(RecipientKind.UNKNOWN)  # none was ever given out
        try:
            sender = original(address, bytes.fromhex(key), self._clock.now())
        except SrsError as error:
            log.info("not a return address", address=address, why=error)
            return Resolution(RecipientKind.UNKNOWN)
        if await self.is_local_domain(sender.domain):
            return Resolution(RecipientKind.UNKNOWN)  # never given out
        return Resolution(RecipientKind.LOCAL, forwards=(sender,), returns=True)

    async def postmaster(self) -> AccountId | None:
        """Who reads mail for the bare <postmaster> (RFC 5321 4.5.1)."""
        return await _postmaster(self._store.reader)

    async def language_of(self, account_id: AccountId) -> str:
        """In which language the account is told things: its own, else its domain's, "" for neither. Raises
        NoSuchAccount."""
        reader = self._store.reader
        return await language_of(reader, await reader.account(account_id))

    async def signers_of_host(self, hostname: str) -> tuple[Signer, ...]:
        """Who signs what a host of ours itself writes: its name, or the nearest domain above it that is ours
        (in alignment with it, RFC 7489 3.1.1)."""
        domain = hostname.lower()
        while "." in domain:
            if signers := await signers_for(self._store.reader, domain):
                return signers
            domain = domain.partition(".")[2]
        return ()

    async def may_send_as(self, account: Account, address: Address) -> bool:
        """True if mail for `address` (or, for a subaddress, its base) comes to this account itself, or if it
        was let write as that address, as the account that gets its mail, or as all of the domain."""
        reader = self._store.reader
        entry = await _listed(reader, address)
        owners = [] if entry is None else [target.account_id for target in entry.targets]
        if account.account_id in owners:
            return True
        patterns = {grant.pattern for grant in await reader.send_as(account.account_id)}
        if not patterns or entry is None:
            return f"*@{address.domain}" in patterns
        names = {(await reader.account(owner)).name for owner in owners if owner is not None}
        return not patterns.isdisjoint({entry.address, f"*@{address.domain}", *names})

    async def addresses_of(self, account: Account) -> tuple[str, ...]:
        """What the account may write as, its main address first, what it was let last; "*@domain" is all of
        that domain."""
        reader = self._store.reader
        found = [entry.address for entry in await reader.addresses(account.account_id)]
        granted = [grant.pattern for grant in await reader.send_as(account.account_id)]
        return tuple(dict.fromkeys((account.name, *found, *granted)))

    async def _expand(
        self, reader: Reader, targets: tuple[AddressTarget, ...]
    ) -> tuple[dict[AccountId, None], dict[Address, None]]:
        """Follow aliases; dicts keep the order and drop doubles."""
        accounts: dict[AccountId, None] = {}
        forwards: dict[Address, None] = {}
        seen: set[str] = set()
        todo = [(target, 0) for target in reversed(targets)]
        while todo and len(accounts) + len(forwards) < MAX_TARGETS:
            target, depth = todo.pop()
            if target.account_id is not None:
                accounts[target.account_id] = None
            elif target.forward_to is not None:
                address = Address.parse(target.forward_to)
                if not await self.is_local_domain(address.domain):
                    forwards[address] = None
                elif depth < MAX_ALIAS_DEPTH and address.lookup_key not in seen:
                    seen.add(address.lookup_key)
                    todo.extend((t, depth + 1) for t in reversed(await _targets(reader, address)))
        return accounts, forwards


async def _make_srs_key(tx: Tx) -> str:
    key = await tx.meta(SRS_KEY_META)
    if key is None:
        key = secrets.token_hex(32)
        await tx.set_meta(SRS_KEY_META, key)
    return key


async def _listed(reader: Reader, address: Address) -> DirectoryAddress | None:
    """The entry of the address, or of its base if it is a subaddress (RFC 5233)."""
    entry = await reader.address(address.lookup_key)
    if entry is None:
        base, separator, _ = address.local_part.partition(SUBADDRESS_SEPARATOR)
        if separator and base:
            entry = await reader.address(Address(base, address.domain).lookup_key)
    return entry


async def _targets(reader: Reader, address: Address) -> tuple[AddressTarget, ...]:
    entry = await _listed(reader, address)
    if entry is not None and entry.targets:
        return entry.targets
    if address.local_part.casefold() == "postmaster":
        postmaster = await _postmaster(reader)
        if postmaster is not None:
            return (AddressTarget(postmaster, None),)
    domain = await reader.domain(str(address.domain))
    if domain is not None and domain.catch_all is not None:
        return (AddressTarget(domain.catch_all, None),)
    return ()


async def language_of(reader: Reader, account: Account) -> str:
    """As Directory.language_of."""
    if account.language:
        return account.language
    domain = await reader.domain(account.name.rpartition("@")[2])
    return settings_of(domain).language if domain is not None else ""


async def _postmaster(reader: Reader) -> AccountId | None:
    known = await reader.meta(POSTMASTER_META)
    if not known:
        return None
    try:
        return (await reader.account(AccountId(int(known)))).account_id
    except NoSuchAccount:
        return None  # removed since


async def _is_full(reader: Reader, account_id: AccountId, size: int) -> bool:
    try:
        account = await reader.account(account_id)
    except NoSuchAccount:
        return False  # removed this moment: delivery will say so
    return not await has_room(reader, account, max(size, 1))
