"""Who is let in, and why not: the ONE list of checks, in the order they are made.

A check is a function of its stage (see Stage). It gives None to go on, a Mark to go on and remember, or Defer
or Refuse, which end it. Temporary where the cause may go away, as a wrong permanent refusal loses mail.
A new check is a function in one of the checks_*.py files, its row here, and its section in docs/policy.md.

A check that is off is left out when a listener starts, so it costs nothing for a message.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from postier.smtp.inbound import (
    checks_connection,
    checks_envelope,
    checks_message,
    hold,
    ownership,
    reputation,
)
from postier.smtp.inbound.dialogue import Checks, Dialogue, InboundSettings, Role
from postier.smtp.inbound.outcome import RunCheck

__all__ = ["CHECKS", "Check", "Stage", "checks_for"]


IsOn = Callable[[InboundSettings], bool]


class Stage(enum.Enum):
    """When a check is made, and what it is given.

    CONNECT, before the greeting: the dialogue. HELO: the dialogue, the Ehlo. MAIL: the dialogue, the
    transaction that would begin. RCPT: the dialogue, the transaction, the Addressee. MESSAGE, at the end of
    its data: the dialogue, the transaction, the Arrived.
    """

    CONNECT = "connect"
    HELO = "helo"
    MAIL = "mail"
    RCPT = "rcpt"
    MESSAGE = "message"


def _always(settings: InboundSettings) -> bool:
    return True


def _for_strangers(settings: InboundSettings) -> bool:
    return not settings.trust_loopback


def _unless_off(field: str) -> IsOn:
    """`field` of the policy is neither "off" nor empty, 0 or false."""

    def is_on(settings: InboundSettings) -> bool:
        return _for_strangers(settings) and getattr(settings.policy, field) not in ("off", 0, ())

    return is_on


def _limits_senders(settings: InboundSettings) -> bool:
    policy = settings.policy
    return _for_strangers(settings) and bool(policy.sender_messages or policy.sender_recipients)


@dataclass(frozen=True, slots=True)
class Check:
    """`name`: in marks, in the docs. `is_on`: by the settings of the server. `ahead`: asks the DNS,
    before the greeting, for what the check will want to know."""

    name: str
    stage: Stage
    roles: frozenset[Role]
    run: RunCheck
    is_on: IsOn = _always
    ahead: Callable[[Dialogue], None] | None = None


_MX = frozenset({Role.MX})
_PEOPLE = frozenset({Role.SUBMISSION})
_HANDED_OVER = frozenset({Role.LMTP})
_FOR_US = frozenset({Role.MX, Role.LMTP})
_ALL = frozenset(Role)

CHECKS = (
    Check("early-talker", Stage.CONNECT, _MX, checks_connection.waits_for_greeting, _for_strangers),
    Check("lmtp-host", Stage.CONNECT, _HANDED_OVER, checks_connection.is_trusted_host),
    Check("helo-own-name", Stage.HELO, _MX, checks_connection.is_not_us, _unless_off("helo_own_name")),
    Check("helo", Stage.HELO, _MX, checks_connection.has_a_name_of_its_own, _unless_off("helo")),
    Check("size", Stage.MAIL, _ALL, checks_envelope.fits),
    Check("hold", Stage.MAIL, _PEOPLE, hold.can_be_held),
    Check("login", Stage.MAIL, _PEOPLE, ownership.is_still_let_in),
    Check("own-sender", Stage.MAIL, _PEOPLE, ownership.sender_is_ones_own),
    Check("recipient-limit", Stage.RCPT, _ALL, checks_envelope.has_room_for_recipient),
    Check(
        "reverse-dns",
        Stage.RCPT,
        _MX,
        checks_connection.has_a_reverse_name,
        _unless_off("reverse_dns"),
        reputation.ask_reverse_name,
    ),
    Check(
        "dnsbl",
        Stage.RCPT,
        _MX,
        checks_connection.is_not_listed,
        _unless_off("dnsbl"),
        reputation.ask_lists,
    ),
    Check("relay", Stage.RCPT, _FOR_US, checks_envelope.is_ours),
    Check("recipient", Stage.RCPT, _ALL, checks_envelope.is_known),
    Check("return-address", Stage.RCPT, _ALL, checks_envelope.takes_from_anybody),
    Check("quota", Stage.RCPT, _ALL, checks_envelope.has_quota),
    Check(
        "greylist",
        Stage.RCPT,
        _MX,
        checks_envelope.is_not_new,
        _unless_off("greylist"),
        reputation.ask_who_vouches,
    ),
    Check("whole-domain", Stage.RCPT, _PEOPLE, checks_envelope.has_a_whole_domain),
    Check("suppressed", Stage.RCPT, _PEOPLE, checks_envelope.is_not_suppressed),
    Check("loop", Stage.MESSAGE, _ALL, checks_message.does_not_loop),
    Check("author", Stage.MESSAGE, _MX, checks_message.has_one_author),
    Check("spf", Stage.MESSAGE, _MX, checks_message.spf, _for_strangers),
    Check("sender-rate", Stage.MESSAGE, _MX, checks_message.is_not_too_fast, _limits_senders),
    Check("dkim", Stage.MESSAGE, _MX, checks_message.dkim, _for_strangers),
    Check("dmarc", Stage.MESSAGE, _MX, checks_message.dmarc, _for_strangers),
    Check("own-author", Stage.MESSAGE, _PEOPLE, ownership.author_is_ones_own),
    Check("own-agent", Stage.MESSAGE, _PEOPLE, ownership.agent_is_ones_own),
)


def checks_for(role: Role, settings: InboundSettings) -> Checks:
    """The checks of the list that are on, made once for each listener."""
    on = [check for check in CHECKS if role in check.roles and check.is_on(settings)]

    def at(stage: Stage) -> tuple[RunCheck, ...]:
        return tuple(check.run for check in on if check.stage is stage)

    ahead = tuple(check.ahead for check in on if check.ahead is not None)
    return Checks(ahead, *map(at, Stage))
