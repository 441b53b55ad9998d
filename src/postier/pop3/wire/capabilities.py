"""The lines of CAPA (RFC 2449 5 and 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from postier.pop3.wire.commands import COMMANDS, State

__all__ = ["NO_POLICY", "Policy", "capability_lines"]

DAY = 24 * 3600


class Policy(NamedTuple):
    """What this site asks of its clients, in seconds. `expire`: how long INBOX keeps a message of who reads
    by POP3, None for ever. `login_delay`: between two logins, 0 for none. `…_by_user`: some people have other
    rules, and these are the strictest (RFC 2449 6.5 and 6.7)."""

    expire: int | None = None
    login_delay: int = 0
    expire_by_user: bool = False
    login_delay_by_user: bool = False


NO_POLICY = Policy()


def capability_lines(
    state: State, *, confidential: bool, offers_stls: bool, mechanisms: Sequence[str], policy: Policy
) -> list[bytes]:
    """`confidential`: a password may be said. `mechanisms`: those of SASL that are offered now."""
    lines = [command.capability for command in COMMANDS.values() if command.capability]
    lines += [b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING", _expire(policy, state)]
    if policy.login_delay:
        by_user = b" USER" if policy.login_delay_by_user and state is State.AUTHORIZATION else b""
        lines.append(b"LOGIN-DELAY %d%b" % (policy.login_delay, by_user))
    if offers_stls and state is State.AUTHORIZATION:
        lines.append(b"STLS")
    if confidential:
        lines.append(b"USER")
    if mechanisms:
        lines.append(b"SASL " + " ".join(mechanisms).encode())
    if state is State.TRANSACTION:
        lines.append(b"IMPLEMENTATION Postier")
    return lines


def _expire(policy: Policy, state: State) -> bytes:
    days = b"NEVER" if policy.expire is None else b"%d" % (policy.expire // DAY)
    by_user = b" USER" if policy.expire_by_user and state is State.AUTHORIZATION else b""
    return b"EXPIRE %b%b" % (days, by_user)
