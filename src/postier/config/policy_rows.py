"""The settings of who is let in on port 25 (see docs/policy.md): rows of the table in settings.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postier.config.kinds import BOOLEAN, COUNT, DNS_LISTS, DOMAINS, DURATION, OVERRIDES, Setting, one_of

__all__ = ["POLICY_LEAST", "POLICY_ROWS"]

POLICY_ROWS = (
    Setting(
        "policy.greeting_delay",
        DURATION,
        "0s",
        "How long port 25 waits with its greeting; junk senders that can't wait give themselves away.",
    ),
    Setting(
        "policy.reverse_dns",
        one_of("off", "mark", "defer", "refuse"),
        "mark",
        "What an address without a name in the DNS that leads back to it is worth.",
    ),
    Setting("policy.reverse_dns_weight", COUNT, 2, "The weight of that mark."),
    Setting(
        "policy.helo_own_name",
        one_of("off", "mark", "refuse"),
        "refuse",
        "What a stranger is worth who gives this server's own name or address as his.",
    ),
    Setting(
        "policy.helo",
        one_of("off", "mark", "refuse"),
        "mark",
        "What a client's name is worth that is no full host name, or the address of somebody else.",
    ),
    Setting("policy.helo_weight", COUNT, 1, "The weight of the marks of both."),
    Setting(
        "policy.dnsbl",
        DNS_LISTS,
        [],
        "Lists of addresses in the DNS to ask, each with its weight; one below 0 is a list of good senders.",
    ),
    Setting(
        "policy.dnsbl_refuse",
        COUNT,
        5,
        "The weight of the lists that have an address from which its mail is refused; 0 for never.",
    ),
    Setting("policy.dnsbl_time", DURATION, "5s", "How long the lists may take; then they count for nobody."),
    Setting(
        "policy.spf_fail",
        one_of("mark", "refuse"),
        "mark",
        "What mail is worth whose sender's domain says that this host is not one of its own.",
    ),
    Setting(
        "policy.spf_helo",
        BOOLEAN,
        False,
        "Note also whether the name that a host greets with lets it send; nothing follows from it.",
    ),
    Setting(
        "policy.received_spf",
        BOOLEAN,
        False,
        "Write a Received-SPF field beside Authentication-Results, for programs that read only that.",
    ),
    Setting(
        "policy.no_author",
        one_of("mark", "refuse"),
        "mark",
        "What mail is worth whose From names nobody with a domain; marked, it goes to the junk folder.",
    ),
    Setting(
        "policy.forwarders",
        DOMAINS,
        [],
        "Domains whose servers forward mail to you or run lists you are on, beside the well-known ones.",
    ),
    Setting(
        "policy.dmarc_overrides",
        OVERRIDES,
        [],
        "What to do with mail that fails DMARC, whatever its author's domain asks; the first fit counts.",
    ),
    Setting("policy.greylist", BOOLEAN, False, "Ask senders that are new here to come again later."),
    Setting("policy.greylist_wait", DURATION, "5m", "How long a new sender has to wait."),
    Setting("policy.greylist_window", DURATION, "1d", "How long a new sender may take to come again."),
    Setting("policy.greylist_keep", DURATION, "36d", "How long a sender that has come again is known."),
    Setting(
        "policy.greylist_passes_named",
        BOOLEAN,
        False,
        "Let those pass at once whose address has a name in the DNS that leads back to it.",
    ),
    Setting(
        "policy.sender_messages",
        COUNT,
        10_000,
        "Messages in an hour from one sending domain (by SPF) or else one network; 0 for no limit.",
    ),
    Setting(
        "policy.sender_recipients", COUNT, 50_000, "Recipients of such messages in an hour; 0 for no limit."
    ),
    Setting(
        "policy.junk_weight",
        COUNT,
        5,
        "What the marks of a message weigh together from which it goes to the junk folder; 0 for never.",
    ),
)

POLICY_LEAST: Mapping[str, tuple[Any, str]] = {
    "policy.dnsbl_time": ("1s", "a resolver needs time"),
    "policy.greylist_window": ("1h", "honest hosts try again after up to an hour"),
    "policy.greylist_keep": ("1d", "it is written once a day at most"),
}
