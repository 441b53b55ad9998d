"""What we do with mail after its authentication: our own policy, in one place.

RFC 9989 7.4 asks receivers not to reject on p=reject alone, since lists and forwarders break alignment. So we
refuse only where nothing vouches for the message at all, and set aside where somebody does, if not the
author's domain. DNS trouble never counts against a message: refusing for it would lose mail for the fault of
a third party, and 451 would make every sender behind a broken zone come back for days; the fields say
temperror, and filters behind us may weigh it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from postier.base.status import Reply
from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dmarc import Dmarc, DmarcResult, Policy
from postier.mailauth.spf import Spf, SpfResult

__all__ = ["Action", "Verdict", "decide"]


class Action(enum.Enum):
    """Quarantine means the recipient's junk folder."""

    ACCEPT = "accept"
    QUARANTINE = "quarantine"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reply` is there exactly where `action` is REFUSE; `reason` is for the log and for reports.

    `local_override`: we were milder than the domain owner asked (RFC 9990, policy override "local_policy").
    """

    action: Action
    reason: str
    reply: Reply | None = None
    local_override: bool = False


_ACCEPTED = Verdict(Action.ACCEPT, "")
_SEVERAL_AUTHORS = Verdict(
    Action.REFUSE,
    "more than one author domain",
    Reply(550, "5.7.1", "The From field names more than one domain"),
)
_NO_AUTHOR = Verdict(Action.QUARANTINE, "no author domain")


def decide(spf: SpfResult, dkim: Sequence[DkimResult], dmarc: DmarcResult) -> Verdict:
    """What to do with the message at the end of its data.

    More than one author domain is refused, since no reader can tell who is meant; none at all is set aside.
    """
    if dmarc.result is Dmarc.PERMERROR:
        return _SEVERAL_AUTHORS if dmarc.author_domains > 1 else _NO_AUTHOR
    if dmarc.result is not Dmarc.FAIL or dmarc.effective_policy in (None, Policy.NONE):
        return _ACCEPTED
    if dmarc.effective_policy is Policy.QUARANTINE:
        return Verdict(Action.QUARANTINE, f"DMARC fails, {dmarc.policy_domain} asks for quarantine")
    if spf.result is Spf.PASS or any(each.result is Dkim.PASS for each in dkim):
        reason = f"DMARC fails, {dmarc.policy_domain} asks to reject, another domain vouches for it"
        return Verdict(Action.QUARANTINE, reason, local_override=True)
    text = f"Not authenticated, and the DMARC policy of {dmarc.policy_domain} asks to reject"
    return Verdict(
        Action.REFUSE, f"DMARC fails, {dmarc.policy_domain} asks to reject", Reply(550, "5.7.26", text)
    )
