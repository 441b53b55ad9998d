"""What an entry of a directory says about a person. Pure; an entry may hold anything at all."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from postier.base.address import Address
from postier.ldap.wire.core import Entry
from postier.queue.meanings import LANGUAGES
from postier.store.api import LdapDirectory

__all__ = [
    "Contested",
    "EntryProblem",
    "Person",
    "contested",
    "entry_id",
    "is_disabled",
    "person_of",
    "wanted",
]

MAX_NAME = 200
MAX_ADDRESSES = 200
MAX_ID = 128
ACCOUNT_DISABLED = 0x2
"""Of Active Directory's userAccountControl."""
LOCKED_FOR_GOOD = b"000001010000Z"
"""pwdAccountLockedTime of a password policy (draft-behera-ldap-password-policy 5.3.3)."""
STATE_ATTRIBUTES = ("userAccountControl", "nsAccountLock", "pwdAccountLockedTime")
_QUOTA = re.compile(rb"([0-9]{1,9})([KMGT]?)B?", re.IGNORECASE)
_OCTETS = {b"": 1_000_000, b"K": 1000, b"M": 1_000_000, b"G": 1_000_000_000, b"T": 10**12}


class Person(NamedTuple):
    """`main`, `others`: addresses in the directory's domains, as lookup keys. `quota`: octets, None where
    nothing is said. `language`: "" where nothing is said that we know. `enabled`: may log in."""

    entry_id: str
    dn: str
    main: str
    others: tuple[str, ...] = ()
    name: str = ""
    quota: int | None = None
    language: str = ""
    enabled: bool = True


class Contested(NamedTuple):
    """Addresses that more than one person claims: `mains` as the main one, `every` in any way. The main
    address of one goes before what another has beside."""

    mains: frozenset[str] = frozenset()
    every: frozenset[str] = frozenset()


class EntryProblem(Exception):
    """Why the entry is nobody of ours, for a person. `entry_id`: "" where it has none."""

    def __init__(self, text: str, entry_id: str = "") -> None:
        super().__init__(text)
        self.entry_id = entry_id


def wanted(directory: LdapDirectory) -> tuple[str, ...]:
    """The attributes to ask for."""
    more = (directory.quota_attribute, directory.language_attribute)
    every = (
        directory.id_attribute,
        *directory.address_attributes,
        *directory.name_attributes,
        *filter(None, more),
        *STATE_ATTRIBUTES,
        "uid",
    )
    return tuple(dict.fromkeys(every))


def person_of(directory: LdapDirectory, entry: Entry) -> Person:
    """Raises EntryProblem."""
    known = entry_id(directory, entry)
    main, others = _addresses(directory, entry)
    if not main:
        raise EntryProblem(f"{entry.dn} has no address in {' or '.join(directory.domains)}", known)
    return Person(
        known,
        entry.dn,
        main,
        others,
        next(filter(None, (_text(value) for value in _values(entry, directory.name_attributes))), ""),
        _quota(_values(entry, (directory.quota_attribute,))),
        _language(_values(entry, (directory.language_attribute,))),
        not is_disabled(entry),
    )


def entry_id(directory: LdapDirectory, entry: Entry) -> str:
    """What tells it from all others, for ever: text as it is, anything else as hexadecimal digits. Raises
    EntryProblem."""
    values = entry.attributes.get(directory.id_attribute.lower(), ())
    if len(values) != 1 or not 0 < len(values[0]) <= MAX_ID:
        raise EntryProblem(f"{entry.dn} has no {directory.id_attribute} that can be used")
    value = values[0]
    is_text = directory.id_attribute.lower() != "objectguid" and re.fullmatch(rb"[!-~]+", value)
    return value.decode("ascii").lower() if is_text else value.hex()


def is_disabled(entry: Entry) -> bool:
    control = entry.attributes.get("useraccountcontrol", ())
    if any(re.fullmatch(rb"[0-9]{1,10}", v) and int(v) & ACCOUNT_DISABLED for v in control):
        return True
    locked = entry.attributes.get("nsaccountlock", ())
    if any(value.lower() == b"true" for value in locked):
        return True
    return LOCKED_FOR_GOOD in entry.attributes.get("pwdaccountlockedtime", ())


def contested(people: Iterable[Person]) -> Contested:
    mains, every = Counter[str](), Counter[str]()
    for person in people:
        mains[person.main] += 1
        every.update({person.main, *person.others})
    return Contested(*(frozenset(a for a, count in c.items() if count > 1) for c in (mains, every)))


def _values(entry: Entry, names: Sequence[str]) -> Iterable[bytes]:
    for name in names:
        yield from entry.attributes.get(name.lower(), ())


def _addresses(directory: LdapDirectory, entry: Entry) -> tuple[str, tuple[str, ...]]:
    """The main one: that of "SMTP:" (Exchange), else the first. Those of other domains and other services
    ("sip:", "X500:") are not ours."""
    found: dict[str, None] = {}
    main = ""
    for value in _values(entry, directory.address_attributes):
        scheme, separator, rest = value.partition(b":")
        if separator and scheme.lower() != b"smtp":
            continue
        key = _address(directory, rest if separator else value)
        if key and len(found) < MAX_ADDRESSES:
            found[key] = None
            if separator and scheme == b"SMTP" and not main:
                main = key
    main = main or next(iter(found), "")
    return main, tuple(key for key in found if key != main)


def _address(directory: LdapDirectory, value: bytes) -> str:
    try:
        address = Address.parse(value.decode().strip())
    except ValueError:
        return ""
    return address.lookup_key if str(address.domain) in directory.domains else ""


def _text(value: bytes) -> str:
    """One line of printable characters."""
    try:
        text = unicodedata.normalize("NFC", value[: 4 * MAX_NAME].decode(errors="ignore"))
    except ValueError:
        return ""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(shown.split())[:MAX_NAME] if "\N{REPLACEMENT CHARACTER}" not in shown else ""


def _quota(values: Iterable[bytes]) -> int | None:
    for value in values:
        found = _QUOTA.fullmatch(value.strip())
        if found is not None:
            return int(found[1]) * _OCTETS[found[2].upper()]
    return None


def _language(values: Iterable[bytes]) -> str:
    for value in values:
        short = value[:2].decode("latin-1").lower()
        if short in LANGUAGES:
            return short
    return ""
