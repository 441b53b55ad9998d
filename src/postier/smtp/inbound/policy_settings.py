"""How strict the checks of policy.py are. Whatever needs the word of others is off at first."""

from __future__ import annotations

from dataclasses import dataclass

from postier.filter.dnsbl import DnsList
from postier.filter.greylist import GreylistTimes
from postier.mailauth.local_policy import LocalPolicy, Override

__all__ = ["USUAL_POLICY", "PolicySettings"]


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """Where a check may be "off", "mark", "defer" or "refuse", the field has that word. Times in seconds; a
    limit of 0 is none; weights are those of marks (outcome.Mark).

    `greeting_delay`: how long to wait with the greeting, for those who cannot. `reverse_dns`: an address
    without a name that leads back to it. `helo`: a client's name that can't be its own; `helo_own_name`: one
    that is ours. `dnsbl`: lists to ask; from `dnsbl_refuse` on mail is refused, and the answers get
    `dnsbl_time`. `spf_fail`: the sender's domain says that the host is not its own; `spf_helo`: note what
    the client's own name says, too; `received_spf`: tell SPF in a field of its own, too. `no_author`: From
    names no author's domain. `forwarders`, `dmarc_overrides`: see LocalPolicy. `greylist`:
    put new senders off, but, with `greylist_passes_named`, not those whose reverse DNS is in order.
    `sender_messages`, `sender_recipients`: of one sending domain or network in an hour. `junk_weight`: what
    all marks together weigh in a message that goes to the junk folder.
    """

    greeting_delay: float = 0.0
    reverse_dns: str = "mark"
    reverse_dns_weight: int = 2
    helo: str = "mark"
    helo_weight: int = 1
    helo_own_name: str = "refuse"
    dnsbl: tuple[DnsList, ...] = ()
    dnsbl_refuse: int = 5
    dnsbl_time: float = 5.0
    spf_fail: str = "mark"
    spf_helo: bool = False
    received_spf: bool = False
    no_author: str = "mark"
    forwarders: tuple[str, ...] = ()
    dmarc_overrides: tuple[Override, ...] = ()
    greylist: bool = False
    greylist_wait: int = 300
    greylist_window: int = 86_400
    greylist_keep: int = 36 * 86_400
    greylist_passes_named: bool = False
    sender_messages: int = 10_000
    sender_recipients: int = 50_000
    junk_weight: int = 5

    @property
    def greylist_times(self) -> GreylistTimes:
        return GreylistTimes(self.greylist_wait, self.greylist_window, self.greylist_keep)

    @property
    def local(self) -> LocalPolicy:
        return LocalPolicy(frozenset(self.forwarders), self.dmarc_overrides)


USUAL_POLICY = PolicySettings()
