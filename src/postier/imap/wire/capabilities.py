"""What CAPABILITY announces (RFC 3501 7.2.1): one row for each name, and when it is shown.

A capability may be switched off, for everybody, an account, or a kind of client: then it is not announced,
and neither its command nor its words within other commands are taken (commands.py, Grammar.needs).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from postier.imap.wire.acl import RIGHTS_CAPABILITY
from postier.imap.wire.values import State

__all__ = [
    "CAPABILITIES",
    "CapabilityRow",
    "Surroundings",
    "can_be_switched_off",
    "render_capabilities",
    "switched_off",
]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What decides about capabilities beside the state. `login_allowed`: passwords may cross this connection;
    `starttls`: a certificate is there; `compressed`: COMPRESS is active; `mechanisms`: of SASL;
    `append_limit`: octets of the largest message that APPEND takes, 0 for none to tell (RFC 7889);
    `message_limit`, `save_limit`: messages of one command, 0 for none to tell (RFC 9738); `off`: what
    `switched_off` made.
    """

    tls: bool = False
    starttls: bool = False
    login_allowed: bool = True
    compressed: bool = False
    mechanisms: tuple[str, ...] = ("PLAIN",)
    append_limit: int = 0
    message_limit: int = 0
    save_limit: int = 0
    off: frozenset[str] = frozenset()


Shown = Callable[[State, Surroundings], bool]


@dataclass(frozen=True, slots=True)
class CapabilityRow:
    """A name, the standard that says what it promises, and when a client sees it.

    `needs`: another name without which this one means nothing: both are switched off together. `fixed`: it
    cannot be switched off.
    """

    name: str
    rfc: str
    shown: Shown
    needs: str = ""
    fixed: bool = False


def _always(state: State, around: Surroundings) -> bool:
    return True


def _before_login(state: State, around: Surroundings) -> bool:
    return state is State.NOT_AUTHENTICATED


def _after_login(state: State, around: Surroundings) -> bool:
    return state is not State.NOT_AUTHENTICATED


def _can_start_tls(state: State, around: Surroundings) -> bool:
    return _before_login(state, around) and around.starttls and not around.tls


def _login_disabled(state: State, around: Surroundings) -> bool:
    return _before_login(state, around) and not around.login_allowed


def _can_compress(state: State, around: Surroundings) -> bool:
    return _after_login(state, around) and not around.compressed


def _without_literal_plus(state: State, around: Surroundings) -> bool:
    """RFC 7888 5: never both."""
    return "LITERAL+" in around.off


CAPABILITIES = (
    CapabilityRow("IMAP4rev1", "3501", _always, fixed=True),
    CapabilityRow("IMAP4rev2", "9051", _always, "ENABLE"),
    CapabilityRow("LITERAL+", "7888", _always),
    CapabilityRow("LITERAL-", "7888", _without_literal_plus),
    CapabilityRow("ID", "2971", _always),
    CapabilityRow("ENABLE", "5161", _always),
    CapabilityRow("SASL-IR", "4959", _before_login),
    CapabilityRow("STARTTLS", "3501 6.2.1", _can_start_tls, fixed=True),
    CapabilityRow("LOGINDISABLED", "3501 6.2.3", _login_disabled, fixed=True),
    CapabilityRow("IDLE", "2177", _after_login),
    CapabilityRow("NAMESPACE", "2342", _after_login),
    CapabilityRow("UIDPLUS", "4315", _after_login),
    CapabilityRow("MOVE", "6851", _after_login),
    CapabilityRow("UNSELECT", "3691", _after_login),
    CapabilityRow("CHILDREN", "3348", _after_login),
    CapabilityRow("LIST-EXTENDED", "5258", _after_login),
    CapabilityRow("LIST-STATUS", "5819", _after_login, "LIST-EXTENDED"),
    CapabilityRow("STATUS=SIZE", "8438", _after_login),
    CapabilityRow("SPECIAL-USE", "6154", _after_login),
    CapabilityRow("CREATE-SPECIAL-USE", "6154", _after_login),
    CapabilityRow("ACL", "4314", _after_login),
    CapabilityRow(RIGHTS_CAPABILITY, "4314 5.1.1", _after_login, "ACL"),
    CapabilityRow("LIST-MYRIGHTS", "8440", _after_login, "LIST-EXTENDED"),
    CapabilityRow("QUOTA", "9208", _after_login),
    CapabilityRow("QUOTASET", "9208 4.1.3", _after_login, "QUOTA"),
    CapabilityRow("QUOTA=RES-STORAGE", "9208 5.1", _after_login),
    CapabilityRow("QUOTA=RES-MESSAGE", "9208 5.2", _after_login),
    CapabilityRow("QUOTA=RES-MAILBOX", "9208 5.3", _after_login),
    CapabilityRow("METADATA", "5464", _after_login),
    CapabilityRow("LIST-METADATA", "9590", _after_login, "METADATA"),
    CapabilityRow("ESEARCH", "4731", _after_login),
    CapabilityRow("WITHIN", "5032", _after_login),
    CapabilityRow("SEARCHRES", "5182", _after_login, "ESEARCH"),
    CapabilityRow("SEARCH=FUZZY", "6203", _after_login),
    CapabilityRow("I18NLEVEL=1", "5255 4", _after_login),
    CapabilityRow("PARTIAL", "9394", _after_login),
    CapabilityRow("INPROGRESS", "9585", _after_login),
    CapabilityRow("SORT", "5256", _after_login),
    CapabilityRow("SORT=DISPLAY", "5957", _after_login, "SORT"),
    CapabilityRow("ESORT", "5267", _after_login, "SORT"),
    CapabilityRow("THREAD=ORDEREDSUBJECT", "5256", _after_login),
    CapabilityRow("THREAD=REFERENCES", "5256", _after_login),
    CapabilityRow("THREAD=REFS", "5256", _after_login),
    CapabilityRow("CONTEXT=SEARCH", "5267", _after_login, "ESEARCH"),
    CapabilityRow("CONTEXT=SORT", "5267", _after_login, "SORT"),
    CapabilityRow("UIDBATCHES", "10022", _after_login),
    CapabilityRow("MULTISEARCH", "7377", _after_login, "ESEARCH"),
    CapabilityRow("MULTIAPPEND", "3502", _after_login),
    CapabilityRow("BINARY", "3516", _after_login),
    CapabilityRow("CATENATE", "4469", _after_login),
    CapabilityRow("URL-PARTIAL", "5550 5.7.1", _after_login, "CATENATE"),
    CapabilityRow("REPLACE", "8508", _after_login),
    CapabilityRow("CONDSTORE", "7162", _after_login),
    CapabilityRow("QRESYNC", "7162", _after_login, "CONDSTORE"),
    CapabilityRow("UTF8=ACCEPT", "9755", _after_login, "ENABLE"),
    CapabilityRow("UIDONLY", "9586", _after_login, "ENABLE"),
    CapabilityRow("NOTIFY", "5465", _after_login),
    CapabilityRow("OBJECTID", "8474", _after_login),
    CapabilityRow("SAVEDATE", "8514", _after_login),
    CapabilityRow("PREVIEW", "8970", _after_login),
    CapabilityRow("UNAUTHENTICATE", "8437", _after_login),
    CapabilityRow("COMPRESS=DEFLATE", "4978", _can_compress),
)

_VALUED = ("AUTH", "APPENDLIMIT", "MESSAGELIMIT", "SAVELIMIT")
"""What is announced with a value that no row names."""


@lru_cache(maxsize=64)
def render_capabilities(state: State, around: Surroundings) -> bytes:
    """`IMAP4rev1 LITERAL+ ...`: for `* CAPABILITY ...` and for the response code."""
    names = [row.name for row in CAPABILITIES if row.shown(state, around)]
    if state is State.NOT_AUTHENTICATED:
        names += [f"AUTH={mechanism}" for mechanism in around.mechanisms]
    if state is not State.NOT_AUTHENTICATED and around.append_limit:
        names.append(f"APPENDLIMIT={around.append_limit}")
    if state is not State.NOT_AUTHENTICATED:
        limits = (("MESSAGELIMIT", around.message_limit), ("SAVELIMIT", around.save_limit))
        names += [f"{name}={limit}" for name, limit in limits if limit]
    return " ".join(name for name in names if not _covers(around.off, name)).encode("ascii")


def can_be_switched_off(name: str) -> bool:
    """`name` is a capability of ours, or the part before "=" of some, and not one that must stay."""
    wanted = name.upper()
    rows = [row for row in CAPABILITIES if _covers((wanted,), row.name)]
    return not any(row.fixed for row in rows) and (bool(rows) or wanted.partition("=")[0] in _VALUED)


def switched_off(names: Iterable[str]) -> frozenset[str]:
    """`names` in capitals, with all that means nothing without them; "THREAD" is any "THREAD=..."."""
    return _with_dependents(frozenset(map(str.upper, names)))


@lru_cache(maxsize=64)
def _with_dependents(off: frozenset[str]) -> frozenset[str]:
    while True:
        also = {row.name.upper() for row in CAPABILITIES if row.needs in off or _covers(off, row.name)}
        if also <= off:
            return off
        off |= also


def _covers(off: Iterable[str], name: str) -> bool:
    wanted = name.upper()
    return wanted in off or wanted.partition("=")[0] in off
