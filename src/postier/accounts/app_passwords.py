"""App passwords: one for each device, made here, shown once, and taken back without touching the others.

Each is LETTERS random letters, 103 bits: nobody guesses that, so a plain hash that takes a microsecond is a
safe verifier. A slow hash makes guessing a *chosen* password dear; 2^103 guesses are out of reach at any
price. There is nothing to look for in tables either, and the same app password never exists twice, so it
needs no salt. That hash is also the key by which it is found: one lookup, however many there are.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from postier.accounts.audit import BY_SERVER, Actor, note
from postier.accounts.audit_kinds import AuditKind
from postier.accounts.people import PeopleError, find_person
from postier.accounts.scram_secrets import app_password_rows, set_keys, standing_salt
from postier.base.address import Address
from postier.base.networks import Networks
from postier.store.api import Account, AppPassword, Store, Tx

__all__ = [
    "LETTERS",
    "MAIL_PROTOCOLS",
    "MOST",
    "PROTOCOLS",
    "add_app_password",
    "admits",
    "as_app_password",
    "new_app_password",
    "revoke_app_password",
    "verifier_of",
]

ALPHABET = "bcdfghjkmnpqrstvwxyz"
"""No vowels: no words come out. No l: it looks like 1 and I."""
LETTERS = 24
GROUP = 4
MOST = 50
"""Of one account."""
LONGEST_NAME = 100

MAIL_PROTOCOLS = ("imap", "pop3", "submission", "sieve", "jmap")
PROTOCOLS = (*MAIL_PROTOCOLS, "api")
"""Without a choice an app password opens the mail protocols; the API only where it is named, and the portal
never."""


def new_app_password() -> str:
    """As it is shown: `bcdf-ghjk-...`."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LETTERS))
    return "-".join(letters[start : start + GROUP] for start in range(0, LETTERS, GROUP))


def as_app_password(password: str) -> str:
    """The letters alone if `password` may be one, however it was typed; "" if it can't be."""
    if len(password) > 2 * LETTERS:
        return ""
    letters = "".join(password.replace("-", " ").split()).casefold()
    return letters if len(letters) == LETTERS and set(letters) <= set(ALPHABET) else ""


def spellings_of(shown: str) -> tuple[str, ...]:
    """How it may be typed where the server never sees it (SCRAM)."""
    return shown, shown.replace("-", ""), shown.replace("-", " ")


def verifier_of(letters: str) -> bytes:
    return hashlib.sha256(b"postier app password " + letters.encode()).digest()


def admits(found: AppPassword, protocol: str, peer: str, now: float) -> str:
    """ "" if it may be used here and now, or why not, for the log."""
    if found.expires and now >= found.expires:
        return "expired"
    if protocol not in (found.protocols or MAIL_PROTOCOLS):
        return "not for this protocol"
    if found.networks and peer not in Networks(found.networks):
        return "not from this address"
    return ""


async def add_app_password(
    store: Store,
    address: Address,
    name: str,
    *,
    protocols: Sequence[str] = (),
    networks: Sequence[str] = (),
    expires: int = 0,
    iterations: int = 0,
    by: Actor = BY_SERVER,
) -> tuple[int, str]:
    """Its id, and the password itself, which nobody sees again. `iterations`: of SCRAM, 0 to make no keys.

    Raises PeopleError.
    """
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise PeopleError(f"name the device it is for, in 1 to {LONGEST_NAME} characters")
    unknown = sorted(set(protocols) - set(PROTOCOLS))
    if unknown:
        raise PeopleError(f"there is no protocol {unknown[0]}; known are {', '.join(PROTOCOLS)}")
    shown = new_app_password()
    account = await find_person(store.reader, address)
    salt = await standing_salt(store.reader, account.account_id, iterations)
    rows = await app_password_rows(spellings_of(shown), salt) if iterations else []

    async def work(tx: Tx) -> int:
        account = await find_person(tx, address)
        if len(await tx.app_password_ids(account.account_id)) >= MOST:
            raise PeopleError(f"{account.name} has {MOST} app passwords already; revoke one first")
        number = await tx.add_app_password(
            account.account_id,
            name,
            verifier_of(as_app_password(shown)),
            protocols=protocols,
            networks=networks,
            expires=expires,
        )
        if rows:
            own = [row._replace(app_password_id=number) for row in rows]
            await set_keys(tx, account.account_id, salt, own)
        limits = _limits(protocols, networks, expires)
        await note(tx, by, AuditKind.APP_PASSWORD_ADDED, account, device=name, limits=limits)
        return number

    return await store.transact(work), shown


def _limits(protocols: Sequence[str], networks: Sequence[str], expires: int) -> str:
    until = datetime.fromtimestamp(expires, UTC).date().isoformat() if expires else ""
    return ", ".join(filter(None, (" ".join(protocols), " ".join(networks), until))) or "none"


async def revoke_app_password(
    store: Store, address: Address, which: str, *, by: Actor = BY_SERVER
) -> AppPassword:
    """`which`: its id, or its name if only one is called so. Raises PeopleError."""

    async def work(tx: Tx) -> AppPassword:
        account = await find_person(tx, address)
        found = await _find(tx, account, which)
        await tx.remove_app_password(account.account_id, found.app_password_id)
        await note(tx, by, AuditKind.APP_PASSWORD_REVOKED, account, device=found.name)
        return found

    return await store.transact(work)


async def _find(tx: Tx, account: Account, which: str) -> AppPassword:
    there = await tx.app_passwords(account.account_id)
    found = [one for one in there if str(one.app_password_id) == which]
    found = found or [one for one in there if one.name == " ".join(which.split())]
    if not found:
        raise PeopleError(f"{account.name} has no app password {which!r}")
    if len(found) > 1:
        raise PeopleError(f"{account.name} has several app passwords called {which!r}; give the number")
    return found[0]
