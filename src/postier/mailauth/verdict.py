"""What we do with mail after its authentication: our own policy, in one place.

RFC 9989 7.4 asks receivers not to reject on p=reject alone, since lists and forwarders break alignment. So we
refuse only where no aligned identity passes and no forwarder or list that is known, or shows itself to be
one, is proved to have sent the message; with such a one it is set aside. DNS trouble never counts against a
message: refusing for it would lose mail for the fault of a third party, and 451 would make every sender
behind a broken zone come back for days; the fields say temperror, and filters behind us may weigh it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postier.base.status import Reply
from postier.mailauth.arc import NO_CHAIN, ArcResult
from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dmarc import Dmarc, DmarcResult, Policy
from postier.mailauth.local_policy import EVERYBODY, Action, LocalPolicy, is_rewritten, names_itself_list
from postier.mailauth.spf import Spf, SpfResult

__all__ = ["Action", "Found", "Verdict", "decide", "proved_domains"]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found out about a message.

    `author`: the address in From, "@" and the domain where it is not known; `list_id`: the value of List-Id;
    `reverse_path`: "" is the null path. `sample`: 0 to 99, evenly spread over messages.
    """

    spf: SpfResult
    dkim: Sequence[DkimResult]
    dmarc: DmarcResult
    arc: ArcResult = NO_CHAIN
    author: str = ""
    list_id: bytes | None = None
    reverse_path: str = ""
    sample: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reply` is there exactly where `action` is REFUSE; `reason` is for people, the log and reports.

    `override`: why we did not do what the domain owner asked, in the words of RFC 9990 (PolicyOverrideType),
    "" where we did.
    """

    action: Action
    reason: str
    reply: Reply | None = None
    override: str = ""


_ACCEPTED = Verdict(Action.ACCEPT, "")
_SEVERAL_AUTHORS = Verdict(
    Action.REFUSE,
    "more than one author domain",
    Reply(550, "5.7.1", "The From field names more than one domain"),
)
_NO_AUTHOR = Verdict(Action.QUARANTINE, "no author domain")


def decide(found: Found, local: LocalPolicy = EVERYBODY) -> Verdict:
    """What to do with the message at the end of its data.

    More than one author domain is refused, since no reader can tell who is meant; none at all is set aside.
    """
    dmarc = found.dmarc
    if dmarc.result is Dmarc.PERMERROR:
        return _SEVERAL_AUTHORS if dmarc.author_domains > 1 else _NO_AUTHOR
    if dmarc.result is not Dmarc.FAIL:
        return _ACCEPTED
    proved = proved_domains(found.spf, found.dkim)
    exception = local.override_for(found.author or f"@{dmarc.domain}", proved)
    if exception is not None:
        return _exception(exception.action, dmarc)
    asked = dmarc.policy_for(found.sample)
    softened = "" if asked is dmarc.policy else _softened(dmarc)
    if asked in (None, Policy.NONE):
        return Verdict(Action.ACCEPT, "", override=softened) if softened else _ACCEPTED
    sealed = found.arc.vouches(dmarc.domain, local.trusts)
    if sealed is not None:
        reason = f"DMARC fails here, it passed before {sealed.domain} sent it on"
        return Verdict(Action.ACCEPT, reason, override="trusted_forwarder")
    if asked is Policy.QUARANTINE:
        return Verdict(
            Action.QUARANTINE, f"DMARC fails, {dmarc.policy_domain} asks for quarantine", override=softened
        )
    reason = f"DMARC fails, {dmarc.policy_domain} asks to reject"
    override, voucher = _voucher(found, proved, local)
    if voucher:
        return Verdict(Action.QUARANTINE, f"{reason}, {voucher} sent it on", override=override)
    override, voucher = _voucher(found, _open_domains(found), local)
    if voucher:
        reason += f", {voucher} may have sent it on, but the DNS did not answer"
        return Verdict(Action.QUARANTINE, reason, override=override)
    return Verdict(Action.REFUSE, reason, _refusal(dmarc))


def proved_domains(spf: SpfResult, dkim: Sequence[DkimResult]) -> list[str]:
    """Those that are surely behind the message. A signature that leaves the end of the body open is of
    nobody's message (RFC 6376 8.2)."""
    proved = [spf.domain] if spf.result is Spf.PASS else []
    return proved + [each.domain for each in dkim if each.result is Dkim.PASS and not each.body_length_short]


def _open_domains(found: Found) -> list[str]:
    """Those that the DNS kept from being proved: its silence is no fault of theirs."""
    spf = [found.spf.domain] if found.spf.result is Spf.TEMPERROR else []
    return spf + [each.domain for each in found.dkim if each.result is Dkim.TEMPERROR]


def _voucher(found: Found, domains: Sequence[str], local: LocalPolicy) -> tuple[str, str]:
    """What RFC 9990 calls the forwarder or list of `domains` that sent the message, and who it is; or ""."""
    for domain in domains:
        if names_itself_list(found.list_id, domain):
            return "mailing_list", f"the list of {domain}"
        if local.knows(domain):
            return "trusted_forwarder", domain
    if found.spf.domain in domains and is_rewritten(found.reverse_path):
        return "other", f"{found.spf.domain}, a forwarder,"
    if local.knows(found.arc.sealer):
        return "trusted_forwarder", found.arc.sealer
    return "", ""


def _exception(action: Action, dmarc: DmarcResult) -> Verdict:
    reason = f"DMARC fails for {dmarc.domain}, a local rule decides"
    reply = _refusal(dmarc) if action is Action.REFUSE else None
    return Verdict(action, reason, reply, override="local_policy")


def _softened(dmarc: DmarcResult) -> str:
    """Less than the policy was asked for, by the owner himself."""
    return "policy_test_mode" if dmarc.record is not None and dmarc.record.testing else "other"


def _refusal(dmarc: DmarcResult) -> Reply:
    where = dmarc.policy_domain or dmarc.domain
    return Reply(550, "5.7.26", f"Not authenticated, and the DMARC policy of {where} asks to reject")
