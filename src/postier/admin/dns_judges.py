"""How each kind of record is judged: not by its letters, but by what it does to the domain's mail.

A judge asks the DNS for what is at the record's name and says what is wrong with it and how to mend it.
It lets NotFound (there is none) and TemporaryFailure (nobody knows) through.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from postier.accounts.directory import REPORTS
from postier.acme.caa import asker_of, caa_hindrance
from postier.admin.records import DnsRecord, address_term, is_of_kind
from postier.base.clock import Clock
from postier.dns.api import NotFound, Resolver, TemporaryFailure
from postier.mailauth.dkim.key_record import KeyRecord, are_same_key, parse_key_record
from postier.mailauth.dmarc_record import DmarcRecord, Policy, parse_dmarc_record
from postier.mailauth.spf import MAX_LOOKUP_TERMS, Spf, SpfResult, check_host

__all__ = ["JUDGES", "Judgement", "Own", "otherwise", "spf_with"]

STRANGER = "203.0.113.254"
"""An address of documentation that nobody sends from, for what a record says of everybody else."""
ENOUGH_LOOKUPS = 8


class Judgement(NamedTuple):
    """As in CheckedRecord."""

    state: str
    found: tuple[str, ...]
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Own:
    """Whom to ask, and what is ours: `addresses` are those our mail leaves from."""

    resolver: Resolver
    clock: Clock
    domain: str
    hostname: str
    addresses: tuple[IPv4Address | IPv6Address, ...]


async def _texts(own: Own, record: DnsRecord) -> tuple[str, ...]:
    """Of several TXT records at the name, those of the kind of `record`."""
    found = (await own.resolver.txt(record.name)).records
    texts = [text.decode("utf-8", "replace") for text in found]
    return tuple([text for text in texts if is_of_kind(record.kind, text)])


def _change(record: DnsRecord, found: Sequence[str], wrong: str) -> Judgement:
    said = f"{wrong} Change it to {record.type} {record.value!r} at {record.name}. {record.why}"
    return Judgement("different", tuple(found), said)


async def _judge_mx(own: Own, record: DnsRecord) -> Judgement:
    hosts = sorted((await own.resolver.mx(record.name)).records, key=lambda mx: mx.preference)
    found = tuple([f"{mx.preference} {mx.exchange or '.'}" for mx in hosts])
    if not hosts:
        return Judgement("missing", ())
    ours = [mx.preference for mx in hosts if mx.exchange == own.hostname]
    if not ours:
        others = ", ".join(mx.exchange for mx in hosts) or "nobody"
        where = f"Mail goes to {others}." if hosts[0].exchange else "It says that the domain takes no mail."
        return _change(record, found, where)
    first = [mx.exchange for mx in hosts if mx.preference < min(ours)]
    said = f"{', '.join(first)} is asked before this server, and must hand the mail over." if first else ""
    return Judgement("ok", found, said)


async def _judge_spf(own: Own, record: DnsRecord) -> Judgement:
    """RFC 7208: do our addresses pass, does everybody else not, and does the record work at all?"""
    found = await _texts(own, record)
    if not found:
        return Judgement("missing", ())
    if len(found) > 1:
        said = f"There are {len(found)} SPF records at {record.name}, so none counts: make one of them."
        return Judgement("different", found, f"{said} {record.why}")
    stranger = await _spf(own, STRANGER)
    if stranger.result is Spf.TEMPERROR:
        raise TemporaryFailure(stranger.reason)
    if stranger.result is Spf.PERMERROR:
        said = f"Nobody can use it: {stranger.reason}."
        if stranger.lookups > MAX_LOOKUP_TERMS:
            said += f" RFC 7208 allows {MAX_LOOKUP_TERMS} terms that ask the DNS: name addresses instead."
        return Judgement("different", found, f"{said} {record.why}")
    if stranger.result is Spf.PASS:
        return Judgement("different", found, "It lets everybody write in the domain's name. End it in -all.")
    left_out = [one for one in own.addresses if (await _spf(own, str(one))).result is not Spf.PASS]
    if left_out:
        mended = spf_with(found[0], await _terms_for(own, found[0], left_out))
        said = f"Mail from {', '.join(map(str, left_out))} does not pass, so it is refused or lands in Junk."
        return Judgement("different", found, f"{said} Change it to {mended!r}.")
    return Judgement("ok", found, " ".join(_spf_hints(stranger)))


async def _spf(own: Own, address: str) -> SpfResult:
    return await check_host(
        own.resolver, own.clock, ip=address, helo=own.hostname, mail_from=f"postmaster@{own.domain}"
    )


def _spf_hints(stranger: SpfResult) -> Iterable[str]:
    if stranger.result is Spf.NEUTRAL:
        yield "It says nothing of everybody else: end it in -all once all who send for the domain are in it."
    if stranger.result is Spf.SOFTFAIL:
        yield "It ends in ~all: -all is clearer once all who send for the domain are in it."
    if stranger.lookups > ENOUGH_LOOKUPS:
        yield f"It needs {stranger.lookups} of the {MAX_LOOKUP_TERMS} look-ups that are allowed."


async def _terms_for(own: Own, text: str, left_out: Sequence[IPv4Address | IPv6Address]) -> list[str]:
    """The mechanisms that let these addresses pass: `mx` for the server's own, unless the record has that
    already, which then leads elsewhere."""
    if "mx" in _terms(text):
        return [address_term(str(one)) for one in left_out]
    known: set[IPv4Address | IPv6Address] = set()
    for ask in (own.resolver.a, own.resolver.aaaa):
        try:
            known |= set((await ask(own.hostname)).records)
        except (NotFound, TemporaryFailure):
            continue
    return list(dict.fromkeys("mx" if one in known else address_term(str(one)) for one in left_out))


def spf_with(text: str, terms: Sequence[str]) -> str:
    """The record with those of `terms` that it has not yet as its first mechanisms."""
    version, *others = text.split()
    there = _terms(text)
    return " ".join([version, *(term for term in terms if term not in there), *others])


def _terms(text: str) -> set[str]:
    return {term.lower().removeprefix("+") for term in text.split()}


async def _judge_dkim(own: Own, record: DnsRecord) -> Judgement:
    """RFC 6376 3.6.1. Whatever stands at a selector of ours is meant to be its key."""
    texts = [text.decode("utf-8", "replace") for text in (await own.resolver.txt(record.name)).records]
    if not texts:
        return Judgement("missing", ())
    if len(texts) > 1:
        return _change(record, texts, f"There are {len(texts)} TXT records, and verifiers take any of them.")
    there = parse_key_record(texts[0].encode())
    if not isinstance(there, KeyRecord):
        return _change(record, texts, f"No verifier can use it: {there}.")
    if not are_same_key(texts[0].encode(), record.value.encode()):
        return _change(record, texts, "It is another key than the one that signs, so our signatures fail.")
    said = "It says t=y, testing: some then take our mail as not signed." if there.testing else ""
    return Judgement("ok", tuple(texts), said)


async def _judge_dmarc(own: Own, record: DnsRecord) -> Judgement:
    """RFC 9989 4.7 and RFC 9990 4 (who may be sent reports)."""
    found = await _texts(own, record)
    if not found:
        return Judgement("missing", ())
    if len(found) > 1:
        said = f"There are {len(found)} DMARC records at {record.name}, so none counts: keep one of them."
        return Judgement("different", found, f"{said} {record.why}")
    policy = parse_dmarc_record(found[0].encode())
    if policy is None or not policy.usable:
        return _change(record, found, "Nobody can read its policy.")
    return Judgement("ok", found, " ".join([hint async for hint in _dmarc_hints(own, policy)]))


async def _dmarc_hints(own: Own, policy: DmarcRecord) -> AsyncIterator[str]:
    if policy.policy is Policy.NONE:
        yield "p=none stops nobody: raise it to quarantine, later reject, once the reports are clean."
    elif policy.policy is Policy.QUARANTINE:
        yield "p=quarantine puts forgeries into Junk; p=reject refuses them."
    if policy.testing:
        yield "t=y asks others to be milder than the policy says."
    if policy.pct < 100:
        yield f"pct={policy.pct} is understood by few: take it out."
    if not policy.rua:
        yield f"Without rua nobody reports: add rua=mailto:{REPORTS}@{own.domain}."
    for uri in policy.rua:
        host = uri.rpartition("@")[2].lower()
        if host != own.domain and not host.endswith(f".{own.domain}") and not await _agrees(own, host):
            yield f"{host} has not agreed to get reports: it needs TXT 'v=DMARC1;' at {_consent(own, host)}."


def _consent(own: Own, host: str) -> str:
    return f"{own.domain}._report._dmarc.{host}"


async def _agrees(own: Own, host: str) -> bool:
    """Also where the DNS does not say."""
    try:
        found = (await own.resolver.txt(_consent(own, host))).records
    except NotFound:
        return False
    except TemporaryFailure:
        return True
    return any(parse_dmarc_record(text) is not None for text in found)


async def _judge_sts(own: Own, record: DnsRecord) -> Judgement:
    """RFC 8461 3.1: the id tells others that the policy has changed."""
    found = await _texts(own, record)
    if not found:
        return Judgement("missing", ())
    if len(found) > 1:
        return _change(record, found, f"There are {len(found)} such records, so none counts.")
    if _squeezed(found[0]) != _squeezed(record.value):
        return _change(record, found, "The policy has another id now, and others keep the old one.")
    return Judgement("ok", found)


async def _judge_reports(own: Own, record: DnsRecord) -> Judgement:
    """RFC 8460 3. Where the reports go is for the administrator to say."""
    found = await _texts(own, record)
    if not found:
        return Judgement("missing", ())
    if len(found) > 1 or "rua=" not in found[0]:
        return _change(record, found, "Nobody can tell from it where reports go.")
    return Judgement("ok", found)


async def _judge_pacc(own: Own, record: DnsRecord) -> Judgement:
    """Of several, one for each document that may still be in some cache."""
    found = await _texts(own, record)
    if not found:
        return Judgement("missing", ())
    if _squeezed(record.value) not in map(_squeezed, found):
        return _change(record, found, "The document is another now, and mail programs refuse it.")
    return Judgement("ok", found)


async def _judge_a(own: Own, record: DnsRecord) -> Judgement:
    found = tuple([str(one) for one in (await own.resolver.a(record.name)).records])
    return _among(record, found)


async def _judge_aaaa(own: Own, record: DnsRecord) -> Judgement:
    found = tuple([str(one) for one in (await own.resolver.aaaa(record.name)).records])
    return _among(record, found)


async def _judge_tlsa(own: Own, record: DnsRecord) -> Judgement:
    records = (await own.resolver.tlsa(record.name)).records
    return _among(record, [f"{r.usage} {r.selector} {r.matching_type} {r.data.hex()}" for r in records])


async def _judge_srv(own: Own, record: DnsRecord) -> Judgement:
    """RFC 6186: priority and weight are the administrator's."""
    records = (await own.resolver.srv(record.name)).records
    found = tuple([f"{r.priority} {r.weight} {r.port} {r.target or '.'}" for r in records])
    if not found:
        return Judgement("missing", ())
    wanted = record.value.split()[2:]
    if any([str(r.port), r.target or "."] == wanted for r in records):
        return Judgement("ok", found)
    return _change(record, found, "Mail programs are sent elsewhere.")


async def _judge_alias(own: Own, record: DnsRecord) -> Judgement:
    """What matters is where the name ends: another web server may serve what is asked for there."""
    answer = await own.resolver.a(record.name)
    if not answer.records and not (await own.resolver.aaaa(record.name)).records:
        return Judgement("missing", ())
    if answer.name == own.hostname or set(answer.records) & set(own.addresses):
        return Judgement("ok", (answer.name,))
    said = f"It leads to {answer.name}: that server must answer in place of this one."
    return Judgement("ok", (answer.name,), said)


async def _judge_caa(own: Own, record: DnsRecord) -> Judgement:
    """RFC 8659: none is fine; what matters is that none forbids what we ask for."""
    asker = asker_of(record.value.partition('"')[2].removesuffix('"'))
    hindrance = await caa_hindrance(own.resolver, record.name, asker)
    if hindrance:
        return Judgement("different", (), f"No certificate can be renewed: {hindrance}.")
    try:
        found = (await own.resolver.caa(record.name)).records
    except NotFound:
        found = ()
    shown = tuple([f'{128 * each.critical} {each.tag} "{each.value}"' for each in found])
    return Judgement("ok", shown, "" if found else f"It could be stricter: {record.value}. {record.why}")


def _among(record: DnsRecord, found: Sequence[str]) -> Judgement:
    if record.value in found:
        return Judgement("ok", tuple(found))
    return _change(record, found, "It is another.") if found else Judgement("missing", ())


def _squeezed(text: str) -> str:
    return "".join(text.split()).rstrip(";")


async def otherwise(own: Own, record: DnsRecord) -> Judgement:
    """A kind that nobody can judge."""
    return Judgement("unknown", (), f"Look for {record.type} at {record.name} yourself.")


JUDGES: dict[str, Callable[[Own, DnsRecord], Awaitable[Judgement]]] = {
    "MX": _judge_mx,
    "SPF": _judge_spf,
    "DKIM": _judge_dkim,
    "DMARC": _judge_dmarc,
    "MTA-STS": _judge_sts,
    "TLS-RPT": _judge_reports,
    "PACC": _judge_pacc,
    "A": _judge_a,
    "AAAA": _judge_aaaa,
    "TLSA": _judge_tlsa,
    "SRV": _judge_srv,
    "CNAME": _judge_alias,
    "CAA": _judge_caa,
}
