"""What can go wrong with an authority, in words for a person: what it said, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["AcmeProblem", "advice", "one_line", "retries_are_pointless"]

_LONGEST = 300


class AcmeProblem(Exception):
    """Why there is no certificate: one line for the administrator.

    `type`: the last word of the authority's error URN (RFC 8555 6.7), "" where it is no answer of its own.
    `retry_after`: seconds that it wants us to wait, 0 if it does not say. `names`: those it is about, if
    it is not about all.
    """

    def __init__(self, text: str, type: str = "", retry_after: int = 0, names: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.type = type
        self.retry_after = retry_after
        self.names = names


def one_line(text: object) -> str:
    """What a stranger said, fit for a terminal and a log: printable, one line, not too long."""
    clean = "".join(c if c.isprintable() else " " for c in str(text))
    clean = " ".join(clean.split())
    return clean if len(clean) <= _LONGEST else clean[:_LONGEST] + "..."


_FOR_CHALLENGE: Mapping[tuple[str, str], str] = {
    ("http-01", "connection"): "it must reach port 80 of this server by that name: open it in firewall and "
    "router, or choose another acme.challenge",
    ("http-01", "unauthorized"): "another server answers on port 80 of that name: see where its A and AAAA "
    "records lead, and whether something stands in front",
    ("http-01", "incorrectResponse"): "another server answers on port 80 of that name: see where its A and "
    "AAAA records lead, and whether something stands in front",
    ("tls-alpn-01", "connection"): "it must reach port 443 of this server by that name: open it in firewall "
    "and router, or choose another acme.challenge",
    ("tls-alpn-01", "tls"): "something in front of this server ends TLS on port 443: let it pass TLS on, or "
    "choose another acme.challenge",
    ("tls-alpn-01", "unauthorized"): "something in front of this server ends TLS on port 443: let it pass "
    "TLS on, or choose another acme.challenge",
    ("tls-alpn-01", "incorrectResponse"): "something in front of this server ends TLS on port 443: let it "
    "pass TLS on, or choose another acme.challenge",
    ("dns-01", "unauthorized"): "the name servers of the zone do not show the record yet, or not all of "
    "them: see dns_update.server, and whether its secondaries follow at once",
    ("dns-01", "incorrectResponse"): "the name servers of the zone do not show the record yet, or not all of "
    "them: see dns_update.server, and whether its secondaries follow at once",
    ("dns-01", "dns"): "the name servers of the zone do not answer it as they should",
}
_MOST_LIKELY = {"http-01": "connection", "tls-alpn-01": "connection", "dns-01": "unauthorized"}
_FOR_TYPE: Mapping[str, str] = {
    "dns": "see that the name has an A or AAAA record, and that all its name servers answer",
    "dnssec": "the zone's DNSSEC is broken",
    "caa": "a CAA record of the domain forbids it",
    "rateLimited": "it is asked again when it said so",
    "rejectedIdentifier": "this authority does not issue for the name",
    "unsupportedIdentifier": "this authority does not issue for the name",
    "externalAccountRequired": "ask the authority for an external account, and set acme.eab_kid and "
    "acme.eab_key_file",
    "userActionRequired": "the authority has new terms: read them, and agree at the address that it names",
    "invalidContact": "see acme.contact",
    "unsupportedContact": "see acme.contact",
    "invalidProfile": "see acme.profile",
    "badCSR": "see acme.key_type",
    "badPublicKey": "see acme.key_type",
    "accountDoesNotExist": "a new account is made at the next try",
    "serverInternal": "the authority has a fault of its own; it is tried again",
}
_POINTLESS = frozenset(
    {
        "externalAccountRequired",
        "userActionRequired",
        "invalidContact",
        "unsupportedContact",
        "invalidProfile",
        "rejectedIdentifier",
        "unsupportedIdentifier",
        "badCSR",
    }
)


def advice(type: str, challenge: str = "") -> str:
    """What to do about an error of that type (RFC 8555 6.7) with that challenge; "" for nothing known.

    Authorities that do not say why a challenge failed are few: then it is the usual reason."""
    most_likely = "" if type else _FOR_CHALLENGE.get((challenge, _MOST_LIKELY.get(challenge, "")), "")
    return _FOR_CHALLENGE.get((challenge, type)) or _FOR_TYPE.get(type, "") or most_likely


def retries_are_pointless(type: str) -> bool:
    """Whether nothing changes until a person changes something: then one try a day is enough."""
    return type in _POINTLESS
