"""Domains, accounts, addresses, and who failed to log in."""

from __future__ import annotations

from collections.abc import Sequence

from postier.bus.api import SETTINGS_TOPIC
from postier.store.api import (
    Account,
    AccountId,
    AccountKind,
    AddressTarget,
    AlreadyExists,
    DirectoryAddress,
    Domain,
    LoginFailures,
    MailboxId,
    ModSeq,
    NoSuchAccount,
)
from postier.store.sql.base import Reads, Writes
from postier.store.sql.connection import Row
from postier.store.sql.emptying import empty_mailbox

__all__ = ["ACCOUNT_COLUMNS", "DirectoryReader", "DirectoryTx", "as_account"]

ACCOUNT_COLUMNS = (
    "a.account_id, a.name, a.kind, a.password_hash, a.quota, a.used, a.messages, a.modseq, a.enabled,"
    " a.display_name, a.message_quota, a.mailbox_quota, a.administrator, a.language, a.password_version,"
    " a.app_passwords_only, a.second_factor"
)
_ACCOUNT = " ".join(("SELECT", ACCOUNT_COLUMNS, "FROM accounts a"))
_TARGETS = (
    "SELECT t.address, t.account_id, t.forward_to, a.name FROM address_targets t"
    " LEFT JOIN accounts a ON a.account_id = t.account_id"
)
_SHARED_WITH = " WHERE t.address IN (SELECT address FROM address_targets WHERE account_id = ?)"
_RENEW = "UPDATE accounts SET password_hash = ?, password_version = password_version + 1 WHERE account_id = ?"
_FORGET_SCRAM = "DELETE FROM scram_keys WHERE account_id = ? AND app_password_id = 0"
_OF_ACCOUNT = (
    "DELETE FROM pop3_deleted WHERE account_id = ?",
    "DELETE FROM pop3_resting WHERE account_id = ?",
    "DELETE FROM pop3_rules WHERE account_id = ?",
    "DELETE FROM pop3_logins WHERE account_id = ?",
    "DELETE FROM tombstones WHERE account_id = ?",
    "DELETE FROM threads WHERE account_id = ?",
    "DELETE FROM rights WHERE account_id = ?",
    "DELETE FROM rights WHERE grantee = ?",
    "DELETE FROM annotations WHERE account_id = ?",
    "DELETE FROM annotations WHERE viewer = ?",
    "DELETE FROM mailboxes WHERE account_id = ?",
    "DELETE FROM mailbox_events WHERE account_id = ?",
    "DELETE FROM subscriptions WHERE account_id = ?",
    "DELETE FROM sending WHERE account_id = ?",
    "DELETE FROM correspondents WHERE account_id = ?",
    "DELETE FROM send_as WHERE account_id = ?",
    "DELETE FROM send_as WHERE pattern IN (SELECT address FROM address_targets WHERE account_id = ?)",
    "DELETE FROM devices WHERE account_id = ?",
    "DELETE FROM device_days WHERE account_id = ?",
    "DELETE FROM device_points WHERE account_id = ?",
    "DELETE FROM device_points WHERE owner_id = ?",
    "DELETE FROM app_passwords WHERE account_id = ?",
    "DELETE FROM second_factors WHERE account_id = ?",
    "DELETE FROM recovery_codes WHERE account_id = ?",
    "DELETE FROM web_sessions WHERE account_id = ?",
    "DELETE FROM scram_salts WHERE account_id = ?",
    "DELETE FROM scram_keys WHERE account_id = ?",
    "DELETE FROM known_places WHERE account_id = ?",
    "DELETE FROM directory_people WHERE account_id = ?",
    "DELETE FROM directory_members WHERE account_id = ?",
    "DELETE FROM directory_members WHERE owner_id = ?",
    "DELETE FROM address_targets WHERE account_id = ?",
    "DELETE FROM accounts WHERE account_id = ?",
    "UPDATE domains SET catch_all = NULL WHERE catch_all = ?",
    "UPDATE queue SET account_id = NULL WHERE account_id = ?",
)


def as_account(row: Row) -> Account:
    number, name, kind, password_hash, quota, used, messages, modseq, enabled, display_name, *more = row
    message_quota, mailbox_quota, administrator, language, password_version, only_apps, factor = more
    return Account(
        AccountId(number),
        name,
        AccountKind(kind),
        password_hash,
        quota,
        used,
        messages,
        ModSeq(modseq),
        bool(enabled),
        display_name,
        message_quota,
        mailbox_quota,
        bool(administrator),
        language,
        password_version,
        bool(only_apps),
        bool(factor),
    )


def _addresses(rows: list[Row]) -> list[DirectoryAddress]:
    """Rows of `_TARGETS`, those of one address together. One that names its account is no alias."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return [
        DirectoryAddress(
            address,
            tuple(AddressTarget(account_id, forward_to) for _, account_id, forward_to, _ in targets),
            is_alias=all(name != address for *_, name in targets),
        )
        for address, targets in found.items()
    ]


class DirectoryReader(Reads):
    async def account(self, account_id: AccountId) -> Account:
        await self._settle_counters()
        row = await self._connection.row(_ACCOUNT + " WHERE account_id = ?", (account_id,))
        if row is None:
            raise NoSuchAccount(str(account_id))
        return as_account(row)

    async def account_named(self, name: str) -> Account | None:
        await self._settle_counters()
        row = await self._connection.row(_ACCOUNT + " WHERE name = ?", (name,))
        return None if row is None else as_account(row)

    async def accounts(self) -> list[Account]:
        await self._settle_counters()
        return sorted(map(as_account, await self._connection.rows(_ACCOUNT)), key=lambda found: found.name)

    async def domain(self, name: str) -> Domain | None:
        row = await self._connection.row(
            "SELECT name, catch_all, settings FROM domains WHERE name = ?", (name,)
        )
        return None if row is None else Domain(*row)

    async def domains(self) -> list[Domain]:
        rows = await self._connection.rows("SELECT name, catch_all, settings FROM domains")
        return sorted((Domain(*row) for row in rows), key=lambda found: found.name)

    async def address(self, address: str) -> DirectoryAddress | None:
        rows = await self._connection.rows(_TARGETS + " WHERE t.address = ? ORDER BY t.position", (address,))
        return _addresses(rows)[0] if rows else None

    async def addresses(self, account_id: AccountId | None = None) -> list[DirectoryAddress]:
        if account_id is None:
            rows = await self._connection.rows(_TARGETS + " ORDER BY t.address, t.position")
        else:
            rows = await self._connection.rows(
                _TARGETS + _SHARED_WITH + " ORDER BY t.address, t.position", (account_id,)
            )
        return sorted(_addresses(rows), key=lambda found: found.address)

    async def login_failures(self, keys: Sequence[str]) -> dict[str, LoginFailures]:
        found = {}
        for key in keys:
            row = await self._connection.row(
                "SELECT failures, last FROM login_failures WHERE key = ?", (key,)
            )
            if row is not None:
                found[key] = LoginFailures(*row)
        return found


class DirectoryTx(DirectoryReader, Writes):
    async def _settings_changed(self) -> None:
        if SETTINGS_TOPIC not in self._ledger.topics:
            self._ledger.topics[SETTINGS_TOPIC] = await self._connection.next_id("settings")

    async def add_domain(self, domain: Domain) -> None:
        if await self.domain(domain.name) is not None:
            raise AlreadyExists(domain.name)
        await self._connection.execute(
            "INSERT INTO domains (name, catch_all, settings) VALUES (?, ?, ?)",
            (domain.name, domain.catch_all, domain.settings),
        )
        await self._settings_changed()

    async def update_domain(self, domain: Domain) -> None:
        await self._connection.execute(
            "UPDATE domains SET catch_all = ?, settings = ? WHERE name = ?",
            (domain.catch_all, domain.settings, domain.name),
        )
        await self._settings_changed()

    async def remove_domain(self, name: str) -> bool:
        await self._settings_changed()
        await self._connection.execute("DELETE FROM send_as WHERE pattern = ?", (f"*@{name}",))
        return await self._connection.execute("DELETE FROM domains WHERE name = ?", (name,)) > 0

    async def add_account(
        self, name: str, kind: AccountKind, password_hash: str, *, quota: int = 0, display_name: str = ""
    ) -> AccountId:
        taken = await self._connection.row("SELECT 1 FROM address_targets WHERE address = ?", (name,))
        if taken is not None or await self.account_named(name) is not None:
            raise AlreadyExists(name)
        account_id = AccountId(await self._connection.next_id("account"))
        await self._connection.execute(
            "INSERT INTO accounts (account_id, name, kind, password_hash, quota, used, messages, modseq,"
            " enabled, display_name, email_next, mailbox_next, validity)"
            " VALUES (?, ?, ?, ?, ?, 0, 0, 1, 1, ?, 1, 1, ?)",
            (account_id, name, kind.value, password_hash, quota, display_name, self._now - 1),
        )
        await self.set_address(name, (AddressTarget(account_id, None),))
        return account_id

    async def set_password_hash(self, account_id: AccountId, password_hash: str) -> None:
        await self._update_account(account_id, _RENEW, password_hash)
        await self._connection.execute(_FORGET_SCRAM, (account_id,))

    async def set_quota(self, account_id: AccountId, *, octets: int, messages: int, mailboxes: int) -> None:
        line = await self._ledger.account(account_id)
        line.quota, line.message_quota, line.mailbox_quota = octets, messages, mailboxes
        await self._update_account(
            account_id,
            "UPDATE accounts SET quota = ?, message_quota = ?, mailbox_quota = ? WHERE account_id = ?",
            octets,
            messages,
            mailboxes,
        )

    async def set_administrator(self, account_id: AccountId, administrator: bool) -> None:
        await self._update_account(
            account_id, "UPDATE accounts SET administrator = ? WHERE account_id = ?", int(administrator)
        )

    async def set_language(self, account_id: AccountId, language: str) -> None:
        await self._update_account(
            account_id, "UPDATE accounts SET language = ? WHERE account_id = ?", language
        )

    async def set_account_enabled(self, account_id: AccountId, enabled: bool) -> None:
        await self._update_account(
            account_id, "UPDATE accounts SET enabled = ? WHERE account_id = ?", int(enabled)
        )

    async def _update_account(self, account_id: AccountId, sql: str, *values: str | int) -> None:
        if not await self._connection.execute(sql, (*values, account_id)):
            raise NoSuchAccount(str(account_id))
        await self._settings_changed()

    async def remove_account(self, account_id: AccountId) -> None:
        await self._settle()
        await self.account(account_id)
        await self._ledger.modseq(account_id)  # who shows this account is told that something happened
        owned = "SELECT mailbox_id FROM mailboxes WHERE account_id = ?"
        for mailbox_id in await self._connection.integers(owned, (account_id,)):
            await empty_mailbox(self._connection, self._ledger, account_id, MailboxId(mailbox_id))
        for statement in _OF_ACCOUNT:
            await self._connection.execute(statement, (account_id,))
        self._ledger.forget_account(account_id)
        await self._settings_changed()

    async def set_address(self, address: str, targets: Sequence[AddressTarget]) -> None:
        owner = await self.account_named(address)
        if not targets and owner is not None:
            targets = (AddressTarget(owner.account_id, None),)  # a main address lasts as long as its account
        await self._connection.execute("DELETE FROM address_targets WHERE address = ?", (address,))
        if not targets:
            await self._connection.execute("DELETE FROM send_as WHERE pattern = ?", (address,))
        await self._connection.executemany(
            "INSERT INTO address_targets (address, position, account_id, forward_to) VALUES (?, ?, ?, ?)",
            [(address, position, *target) for position, target in enumerate(targets)],
        )
        await self._settings_changed()

    async def record_login_failure(self, key: str, now: float) -> LoginFailures:
        await self._connection.execute(
            "INSERT INTO login_failures (key, failures, last) VALUES (?, 1, ?) ON CONFLICT (key)"
            " DO UPDATE SET failures = login_failures.failures + 1, last = excluded.last",
            (key, now),
        )
        return (await self.login_failures((key,)))[key]

    async def forget_login_failures(self, before: float) -> None:
        await self._connection.execute("DELETE FROM login_failures WHERE last < ?", (before,))

    async def clear_login_failures(self, keys: Sequence[str]) -> None:
        await self._connection.executemany(
            "DELETE FROM login_failures WHERE key = ?", [(key,) for key in keys]
        )
