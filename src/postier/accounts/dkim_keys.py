"""The signing keys of a domain and the way each goes: announced, used, retired, withdrawn, gone.

    begin_rotation(keys)   two new keys, RSA and Ed25519, beside those in use
    advance(keys, dns)     what may be changed now, given what the DNS shows

    announced   to be published; signs nothing until the DNS has shown both new keys for SETTLE seconds
    used        signs
    retired     signs no more, its private half is gone; published for as long as what it signed is on its way
    withdrawn   to be taken out of the DNS; forgotten once the DNS does not show it any more

Every step is a pure function from keys to keys, so that a transaction holds it whole or not at all. Only the
first keys of a new domain sign before anybody has seen them: there is nothing else to sign with.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterable, Mapping

import msgspec

from postier.mailauth.dkim.keys import (
    PrivateKey,
    generate_ed25519,
    generate_rsa,
    private_key_from_pem,
    private_key_to_pem,
    txt_record,
)

__all__ = [
    "DkimKey",
    "KeyState",
    "RotationUnderWay",
    "Seen",
    "advance",
    "begin_rotation",
    "first_keys",
    "rotation_is_due",
]

SETTLE = 3600
"""Seconds for which the DNS must have shown a new key: secondaries and caches learn at their own pace."""
MARGIN = 3600
"""Seconds between the choice of a key and the arrival of what it signed in the queue, at the very most."""

_MAKERS: dict[str, tuple[str, Callable[[], PrivateKey]]] = {
    "r": ("rsa", generate_rsa),
    "e": ("ed25519", generate_ed25519),
}


class KeyState(enum.StrEnum):
    ANNOUNCED = "announced"
    USED = "used"
    RETIRED = "retired"
    WITHDRAWN = "withdrawn"


class Seen(enum.Enum):
    """Whether the DNS shows a key as it is."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class RotationUnderWay(Exception):
    """New keys wait for the DNS already; the message names their selectors."""


class DkimKey(msgspec.Struct, frozen=True):
    """`algorithm`: "rsa" or "ed25519" (RFC 6376, RFC 8463). `private_key`: PKCS #8 in PEM, "" once retired.

    `since`: when it came into its state, `shown`: since when the DNS shows it, both in seconds since 1970, 0
    for not known. `record`: the TXT that belongs to it, "" where the private key tells it.
    """

    selector: str
    algorithm: str
    private_key: str
    state: KeyState = KeyState.USED
    since: int = 0
    shown: int = 0
    record: str = ""

    @property
    def text(self) -> str:
        """What is to be published at `selector._domainkey.domain`."""
        return self.record or txt_record(private_key_from_pem(self.private_key.encode()))

    @property
    def is_published(self) -> bool:
        """Whether it belongs into the DNS."""
        return self.state is not KeyState.WITHDRAWN


def first_keys(now: float) -> tuple[DkimKey, ...]:
    """Those of a new domain, which sign at once."""
    year = time.gmtime(now).tm_year
    return _make_pair(f"postier{year}", KeyState.USED, int(now))


def begin_rotation(keys: tuple[DkimKey, ...], now: float) -> tuple[DkimKey, ...]:
    """With two announced keys more. Raises RotationUnderWay."""
    announced = [key.selector for key in keys if key.state is KeyState.ANNOUNCED]
    if announced:
        raise RotationUnderWay(", ".join(announced))
    taken = {key.selector for key in keys}
    day = f"postier{time.strftime('%Y%m%d', time.gmtime(now))}"
    number = 1
    stem = day
    while any(stem + letter in taken for letter in _MAKERS):
        number += 1
        stem = f"{day}-{number}"
    return (*keys, *_make_pair(stem, KeyState.ANNOUNCED, int(now)))


def rotation_is_due(keys: Iterable[DkimKey], now: float, every: int) -> bool:
    """Whether the keys in use are older than `every` seconds and no others follow them yet."""
    states = {key.state for key in keys}
    used = [key.since for key in keys if key.state is KeyState.USED]
    return KeyState.ANNOUNCED not in states and bool(used) and 0 < min(used) <= now - every


def advance(
    keys: tuple[DkimKey, ...], dns: Mapping[str, Seen], now: float, *, oldest_waiting: int, keep: int
) -> tuple[DkimKey, ...]:
    """The keys after all that may be done now.

    `dns`: what is known of each selector. `oldest_waiting`: when the oldest message in the queue came, 0 for
    an empty one. `keep`: seconds for which a retired key is published at least.
    """
    moment = int(now)
    keys = tuple(
        after
        for key in keys
        if (after := _STEPS[key.state](key, dns.get(key.selector, Seen.UNKNOWN), moment)) is not None
    )
    announced = [key for key in keys if key.state is KeyState.ANNOUNCED]
    if announced and all(_may_sign(key, dns, moment) for key in announced):
        keys = tuple(_take_turn(key, moment) for key in keys)
    return tuple(_withdraw(key, moment, oldest_waiting, keep) for key in keys)


def _may_sign(key: DkimKey, dns: Mapping[str, Seen], now: int) -> bool:
    return dns.get(key.selector) is Seen.YES and 0 < key.shown <= now - SETTLE


def _look_for(key: DkimKey, seen: Seen, now: int) -> DkimKey:
    if seen is Seen.YES:
        return key if key.shown else msgspec.structs.replace(key, shown=now)
    return msgspec.structs.replace(key, shown=0) if seen is Seen.NO else key


def _date(key: DkimKey, seen: Seen, now: int) -> DkimKey:
    """A key from before keys had dates counts from now on."""
    return key if key.since else msgspec.structs.replace(key, since=now)


def _forget(key: DkimKey, seen: Seen, now: int) -> DkimKey | None:
    return None if seen is Seen.NO else key


_STEPS = {
    KeyState.ANNOUNCED: _look_for,
    KeyState.USED: _date,
    KeyState.RETIRED: _date,
    KeyState.WITHDRAWN: _forget,
}


def _take_turn(key: DkimKey, now: int) -> DkimKey:
    """The announced keys come into use, those in use retire."""
    if key.state is KeyState.ANNOUNCED:
        return msgspec.structs.replace(key, state=KeyState.USED, since=now)
    if key.state is KeyState.USED:
        return msgspec.structs.replace(
            key, state=KeyState.RETIRED, since=now, record=key.text, private_key=""
        )
    return key


def _withdraw(key: DkimKey, now: int, oldest_waiting: int, keep: int) -> DkimKey:
    is_needed = 0 < oldest_waiting <= key.since + MARGIN or now < key.since + keep
    if key.state is not KeyState.RETIRED or is_needed:
        return key
    return msgspec.structs.replace(key, state=KeyState.WITHDRAWN, since=now)


def _make_pair(stem: str, state: KeyState, now: int) -> tuple[DkimKey, ...]:
    return tuple(
        _make(stem + letter, algorithm, make(), state, now) for letter, (algorithm, make) in _MAKERS.items()
    )


def _make(selector: str, algorithm: str, key: PrivateKey, state: KeyState, now: int) -> DkimKey:
    pem = private_key_to_pem(key).decode()
    return DkimKey(selector, algorithm, pem, state, now, record=txt_record(key))
