"""What this server knows that no domain owner can: its forwarders and lists, and the exceptions it makes.

DMARC fails for honest mail wherever somebody on the way changes it or sends it on under a name of his own
(RFC 7960). A forwarder or list that we know, and that SPF or DKIM proves to have sent the message, keeps it
from being refused.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

from postier.base.domain import Domain

__all__ = [
    "EVERYBODY",
    "Action",
    "LocalPolicy",
    "Override",
    "is_rewritten",
    "is_within",
    "names_itself_list",
    "parse_override",
]

WELL_KNOWN = frozenset(
    {
        "apache.org", "cloudflare-email.net", "debian.org", "duck.com", "forwardemail.net", "freedesktop.org",
        "freelists.org", "gmail.com", "gnu.org", "google.com", "googlegroups.com", "groups.io", "icloud.com",
        "ietf.org", "improvmx.com", "jiscmail.ac.uk", "kernel.org", "linux.dev", "messagingengine.com",
        "microsoft.com", "mozmail.com", "nongnu.org", "outlook.com", "pobox.com", "privaterelay.appleid.com",
        "python.org", "riseup.net", "simplelogin.co", "sourceforge.net", "w3.org", "yahoo.com",
        "zohomail.com",
    }
)  # fmt: skip
"""Services that forward or run lists for many. Being among them keeps mail from being refused, no more."""

_OVERRIDE = re.compile(r"([^\s/=]+)(?:/([^\s/=]+))?=(accept|junk|refuse)")
_LIST_ID = re.compile(rb"<[ \t]*([A-Za-z0-9._-]{1,255})[ \t]*>[ \t\r\n]*\Z")  # RFC 2919 2
_SRS = re.compile(r"(?:SRS[01][=+-]|.*\+SRS=).*@", re.IGNORECASE)


class Action(enum.Enum):
    """Quarantine means the recipient's junk folder."""

    ACCEPT = "accept"
    QUARANTINE = "quarantine"
    REFUSE = "refuse"


_ACTIONS = {"accept": Action.ACCEPT, "junk": Action.QUARANTINE, "refuse": Action.REFUSE}


@dataclass(frozen=True, slots=True)
class Override:
    """What to do with mail that fails DMARC, whatever its author's domain asks.

    `author`: an address, or a domain with all below it; `sender`: only where SPF or DKIM proves this domain
    or one below it, "" for any mail.
    """

    author: str
    sender: str
    action: Action

    def fits(self, author: str, proved: Iterable[str]) -> bool:
        """`author`: the address in From, or the domain with an @ before it; `proved`: domains that pass."""
        address = author.lower()
        if "@" in self.author:
            fits = address == self.author
        else:
            fits = is_within(address.rpartition("@")[2], self.author)
        return fits and (not self.sender or any(is_within(domain, self.sender) for domain in proved))


@dataclass(frozen=True, slots=True)
class LocalPolicy:
    """`forwarders`: domains whose servers forward to us or run lists, beside the well-known ones; what they
    seal (ARC) is believed. `overrides`: the first that fits counts."""

    forwarders: frozenset[str] = frozenset()
    overrides: tuple[Override, ...] = ()

    def override_for(self, author: str, proved: Iterable[str]) -> Override | None:
        return next((each for each in self.overrides if each.fits(author, proved)), None)

    def trusts(self, domain: str) -> bool:
        return bool(self.forwarders) and _is_within_any(domain, self.forwarders)

    def knows(self, domain: str) -> bool:
        return _is_within_any(domain, WELL_KNOWN) or self.trusts(domain)


EVERYBODY = LocalPolicy()


def parse_override(text: str) -> Override:
    """ "author=action" or "author/sender=action"; author a domain or an address. Raises ValueError."""
    found = _OVERRIDE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not an override: {text!r}")
    author, sender, action = found.groups()
    local_part, at, domain = author.rpartition("@")
    if at and not local_part:
        raise ValueError(f"not an address: {author!r}")
    return Override(
        local_part.lower() + at + Domain.parse(domain).ascii,
        Domain.parse(sender).ascii if sender else "",
        _ACTIONS[action],
    )


def is_within(domain: str, above: str) -> bool:
    """The same domain, or one below it."""
    return domain == above or domain.endswith("." + above)


def _is_within_any(domain: str, names: frozenset[str]) -> bool:
    while domain:
        if domain in names:
            return True
        domain = domain.partition(".")[2]
    return False


def names_itself_list(list_id: bytes | None, domain: str) -> bool:
    """Whether a List-Id field's value (RFC 2919) is of `domain`, which was proved; single labels are none."""
    found = _LIST_ID.search(list_id) if list_id is not None else None
    if found is None or "." not in domain:
        return False
    name = found.group(1).decode("ascii").lower()
    return "." in name and (is_within(name, domain) or is_within(domain, name))


def is_rewritten(reverse_path: str) -> bool:
    """Whether the reverse-path is that of a forwarder that rewrites it (SRS), so SPF speaks of him."""
    return _SRS.match(reverse_path) is not None
