"""IMAP or POP3, for a person and for each of their devices: a pure function of facts and wishes.

`advise` reads two tables of rules from the top. Of PERSON the first rule that holds gives the verdict, and
every rule that holds and leads to the same verdict is a reason. Of DEVICE the first one that holds is the
answer. All numbers are those of the person's own mailbox; words for them are in admin/advice_words.py.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

__all__ = [
    "DEVICE",
    "PERSON",
    "SPEEDS",
    "Advice",
    "DeviceAdvice",
    "DeviceFacts",
    "Facts",
    "Loss",
    "Reason",
    "Verdict",
    "Wishes",
    "advise",
    "losses",
    "seconds_at",
]

SPEEDS = (64_000, 1_000_000, 10_000_000)
"""Bits a second: a line that is worse than none, a bad mobile one, a plain one."""
PATIENCE = 60.0
"""Seconds at one megabit that a download may take before it speaks against POP3."""
FULL = 90
"""Percent of a quota from which room is short."""


class Verdict(enum.StrEnum):
    IMAP = "imap"
    POP3 = "pop3"
    EITHER = "either"


class DeviceFacts(NamedTuple):
    """A device as the ledger has it. `protocols`: that it used. `is_active`: seen in the last days, of which
    `deleted` (messages it removed over POP3, and their octets) and `moved` (octets on the wire to it) tell.
    `lacks`: messages of INBOX of which it never had the text, and their octets."""

    number: int
    label: str
    protocols: tuple[str, ...]
    is_active: bool = True
    deleted: int = 0
    deleted_octets: int = 0
    moved: int = 0
    lacks: int = 0
    lacks_octets: int = 0

    @property
    def reads(self) -> bool:
        return bool(set(self.protocols) - {"submission"})

    @property
    def uses_pop3(self) -> bool:
        return "pop3" in self.protocols


class Facts(NamedTuple):
    """A person's mailbox, in messages and octets.

    `inbox`, `inbox_octets`: what POP3 would show; `folders`: other mailboxes that hold something, and how
    many messages; `shared`: mailboxes of others. `pop_octets`: what fetching INBOX over POP3 moves.
    `listed`: the newest messages that a mail program lists first, `listing`: octets of that over IMAP,
    `listing_packed` with COMPRESS; `all_listing`, `all_packed`: the same for the whole INBOX. `quota`,
    `used`: octets, 0 for no quota. `is_estimated`: the mailbox is so large that some numbers come from its
    newest messages. `resting`: what POP3 took away and can be had back.
    """

    inbox: int
    inbox_octets: int
    pop_octets: int
    listed: int
    listing: int
    listing_packed: int
    all_listing: int
    all_packed: int
    folders: int = 0
    folder_messages: int = 0
    shared: int = 0
    quota: int = 0
    used: int = 0
    is_estimated: bool = False
    resting: int = 0
    resting_octets: int = 0
    devices: tuple[DeviceFacts, ...] = ()

    @property
    def readers(self) -> list[DeviceFacts]:
        """Devices in use that read mail."""
        return [device for device in self.devices if device.is_active and device.reads]

    @property
    def percent_full(self) -> int:
        return self.used * 100 // self.quota if self.quota else 0


class Wishes(NamedTuple):
    """What the person said: `devices`: how many they will use, 0 for what the ledger knows. `offline`: all
    mail is to be there without a network. `mobile`: over mobile lines."""

    devices: int = 0
    offline: bool = False
    mobile: bool = False


class Reason(NamedTuple):
    """`key` names the sentence, `numbers` are its facts."""

    key: str
    numbers: Mapping[str, int | str]


class Loss(NamedTuple):
    """`device` removes messages over POP3, `deleted` of late, while `others` read the same mailbox."""

    device: DeviceFacts
    others: tuple[DeviceFacts, ...]


class DeviceAdvice(NamedTuple):
    device: DeviceFacts
    verdict: Verdict
    reason: Reason


class Advice(NamedTuple):
    """`verdict` with its `reasons`, the heaviest first; what each device should speak; what is being lost."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    devices: tuple[DeviceAdvice, ...]
    losses: tuple[Loss, ...]
    facts: Facts
    wishes: Wishes


class Situation(NamedTuple):
    facts: Facts
    wishes: Wishes
    losses: tuple[Loss, ...]

    @property
    def devices(self) -> int:
        """How many read this mailbox, or will."""
        return self.wishes.devices or len(self.facts.readers)

    @property
    def is_slow_to_fetch(self) -> bool:
        return seconds_at(self.facts.pop_octets, SPEEDS[1]) > PATIENCE


class Rule(NamedTuple):
    """`holds` in a situation; then `verdict`, because of `key` with `numbers`."""

    key: str
    verdict: Verdict
    holds: Callable[[Situation], bool]
    numbers: Callable[[Situation], Mapping[str, int | str]]


def _sizes(at: Situation) -> Mapping[str, int | str]:
    facts = at.facts
    return {
        "listed": facts.listed,
        "listing": facts.listing,
        "packed": facts.listing_packed,
        "download": facts.pop_octets,
        "inbox": facts.inbox,
        "times": facts.pop_octets // max(facts.listing_packed, 1),
    }


PERSON: tuple[Rule, ...] = (
    Rule(
        "loses",
        Verdict.IMAP,
        lambda at: bool(at.losses),
        lambda at: {
            "device": at.losses[0].device.label,
            "deleted": at.losses[0].device.deleted,
            "octets": at.losses[0].device.deleted_octets,
            "others": len(at.losses[0].others),
        },
    ),
    Rule("several", Verdict.IMAP, lambda at: at.devices > 1, lambda at: {"devices": at.devices}),
    Rule(
        "folders",
        Verdict.IMAP,
        lambda at: at.facts.folder_messages > 0,
        lambda at: {"folders": at.facts.folders, "messages": at.facts.folder_messages},
    ),
    Rule("shared", Verdict.IMAP, lambda at: at.facts.shared > 0, lambda at: {"shared": at.facts.shared}),
    Rule("mobile", Verdict.IMAP, lambda at: at.wishes.mobile and at.facts.inbox > 0, _sizes),
    Rule("mobile.new", Verdict.IMAP, lambda at: at.wishes.mobile and not at.facts.inbox, lambda at: {}),
    Rule(
        "slow",
        Verdict.IMAP,
        lambda at: at.is_slow_to_fetch and not at.wishes.offline,
        lambda at: {**_sizes(at), "seconds": round(seconds_at(at.facts.pop_octets, SPEEDS[1]))},
    ),
    Rule(
        "full",
        Verdict.POP3,
        lambda at: at.devices == 1 and at.wishes.offline and at.facts.percent_full >= FULL,
        lambda at: {"percent": at.facts.percent_full, "octets": at.facts.inbox_octets},
    ),
    Rule(
        "offline",
        Verdict.EITHER,
        lambda at: at.devices == 1 and at.wishes.offline,
        lambda at: {"download": at.facts.pop_octets},
    ),
    Rule(
        "single",
        Verdict.EITHER,
        lambda at: at.devices == 1,
        lambda at: {"inbox": at.facts.inbox, "download": at.facts.pop_octets},
    ),
    Rule("usual", Verdict.IMAP, lambda at: True, lambda at: {}),
)


class DeviceRule(NamedTuple):
    key: str
    verdict: Verdict
    holds: Callable[[Situation, DeviceFacts], bool]


def _others(at: Situation, device: DeviceFacts) -> list[DeviceFacts]:
    return [other for other in at.facts.readers if other.number != device.number]


DEVICE: tuple[DeviceRule, ...] = (
    DeviceRule("device.sends", Verdict.EITHER, lambda at, device: not device.reads),
    DeviceRule("device.gone", Verdict.EITHER, lambda at, device: not device.is_active),
    DeviceRule(
        "device.deletes",
        Verdict.IMAP,
        lambda at, device: device.uses_pop3 and device.deleted > 0 and bool(_others(at, device)),
    ),
    DeviceRule(
        "device.beside",
        Verdict.IMAP,
        lambda at, device: device.uses_pop3 and (bool(_others(at, device)) or at.devices > 1),
    ),
    DeviceRule(
        "device.mobile",
        Verdict.IMAP,
        lambda at, device: device.uses_pop3 and at.wishes.mobile,
    ),
    DeviceRule("device.alone", Verdict.POP3, lambda at, device: device.uses_pop3),
    DeviceRule("device.well", Verdict.IMAP, lambda at, device: True),
)


def advise(facts: Facts, wishes: Wishes) -> Advice:
    at = Situation(facts, wishes, tuple(losses(facts.devices)))
    holding = [rule for rule in PERSON if rule.holds(at)]
    verdict = holding[0].verdict
    agreed = [rule for rule in holding if rule.verdict is verdict]
    telling = [rule for rule in agreed if rule.key != "usual"] or agreed
    return Advice(
        verdict,
        tuple(Reason(rule.key, rule.numbers(at)) for rule in telling),
        tuple(_for_device(at, device) for device in facts.devices),
        at.losses,
        facts,
        wishes,
    )


def _for_device(at: Situation, device: DeviceFacts) -> DeviceAdvice:
    rule = next(rule for rule in DEVICE if rule.holds(at, device))
    others = _others(at, device)
    numbers: dict[str, int | str] = {
        "moved": device.moved,
        "deleted": device.deleted,
        "octets": device.deleted_octets,
        "others": len(others),
        "lacks": max((other.lacks for other in others), default=0),
        "lacks_octets": max((other.lacks_octets for other in others), default=0),
    }
    return DeviceAdvice(device, rule.verdict, Reason(rule.key, numbers))


def losses(devices: Sequence[DeviceFacts]) -> list[Loss]:
    """Devices that remove messages over POP3 while others, of late, read the same mailbox."""
    readers = [device for device in devices if device.is_active and device.reads]
    found = []
    for device in readers:
        others = tuple(other for other in readers if other.number != device.number)
        if device.deleted and others:
            found.append(Loss(device, others))
    return found


def seconds_at(octets: int, bits: int) -> float:
    """How long a line of so many bits a second takes for them."""
    return octets * 8 / bits
