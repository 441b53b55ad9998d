"""Whether the DNS lets an authority issue for a name (RFC 8659, RFC 8657): looked at before it is asked, for
it will look, too, and a refusal counts against us.

The records that count are those of the name itself or of the nearest name above it that has any. What the DNS
does not answer forbids nothing here: the authority asks for itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from postier.dns.api import Caa, NotFound, Resolver, TemporaryFailure

__all__ = ["Asker", "asker_of", "caa_hindrance", "caa_value"]

_KNOWN = frozenset({"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"})
_LONGEST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Asker:
    """Who would ask: `authorities` are the names that the authority answers to in CAA records (RFC 8555
    7.1.1, caaIdentities), none if it does not say; `account` is the URL of our account there, "" if there is
    none yet; `method` the challenge that we would meet."""

    authorities: Collection[str]
    account: str
    method: str


async def caa_hindrance(resolver: Resolver, name: str, asker: Asker) -> str:
    """Why no certificate may be issued for `name` (which may begin with "*."), for a person; "" if it may."""
    wildcard = name.startswith("*.")
    owner, records = await _relevant(resolver, name.removeprefix("*."))
    strange = [record for record in records if record.critical and record.tag not in _KNOWN]
    if strange:
        return (
            f"the CAA records of {owner} have one that nobody may ignore and few know: {_shown(strange[0])}"
        )
    rules = [record for record in records if record.tag == "issue"]
    if wildcard:
        rules = [record for record in records if record.tag == "issuewild"] or rules
    if not rules or not asker.authorities or any(_permits(rule.value, asker) for rule in rules):
        return ""
    wanted = caa_value(sorted(asker.authorities)[0], asker.account, asker.method)
    found = " and ".join(map(_shown, rules[:3]))
    return f'the CAA record of {owner} forbids it: {found}; add: {owner} CAA 0 {rules[0].tag} "{wanted}"'


async def _relevant(resolver: Resolver, name: str) -> tuple[str, Sequence[Caa]]:
    """RFC 8659 3: climbs the tree, and stops where there is anything or where nobody answers."""
    while name:
        try:
            found = (await resolver.caa(name)).records
        except NotFound:
            found = ()
        except TemporaryFailure:
            break
        if found:
            return name, found
        name = name.partition(".")[2]
    return "", ()


def caa_value(authority: str, account: str, method: str) -> str:
    """The value of a record that lets nobody else ask, even there (RFC 8657 3 and 4)."""
    words = [authority]
    words += [f"accounturi={account}"] if account else []
    words += [f"validationmethods={method}"] if account and method else []
    return "; ".join(words)


def asker_of(value: str) -> Asker:
    """Whom such a value lets ask; the method "" where it lets them use any."""
    authority, *rest = [word.strip() for word in value.split(";")]
    facts = dict(word.partition("=")[::2] for word in rest)
    return Asker((authority,), facts.get("accounturi", ""), facts.get("validationmethods", ""))


def _permits(value: str, asker: Asker) -> bool:
    issuer, *rest = [word.strip(" \t") for word in value.split(";")]
    if issuer.lower().removesuffix(".") not in {each.lower() for each in asker.authorities}:
        return False
    parameters = [word.partition("=") for word in rest if word]
    accounts = [text.strip() for tag, _, text in parameters if tag.strip().lower() == "accounturi"]
    methods = [text for tag, _, text in parameters if tag.strip().lower() == "validationmethods"]
    if accounts and (len(accounts) > 1 or (asker.account and accounts != [asker.account])):
        return False  # RFC 8657 3: with two of them nobody is meant
    listed = {method.strip().lower() for text in methods for method in text.split(",")}
    return not methods or not asker.method or asker.method in listed


def _shown(record: Caa) -> str:
    text = f'{record.tag} "{record.value}"'
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return clean if len(clean) <= _LONGEST_SHOWN else clean[:_LONGEST_SHOWN] + "..."
