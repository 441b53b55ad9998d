"""May this address send mail for this domain? check_host of RFC 7208, whole, `exp` included.

Cost: records are compiled once (see spf_record); a check of a known record with addresses in it asks one
cached question and compares integers. Limits are those of 4.6.4: 10 terms that ask the DNS, 2 of them in
vain, 10 names for each mx and ptr, 20 seconds over all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeVar

from postier.base.clock import Clock
from postier.base.domain import Domain
from postier.dns.api import Answer, NotFound, Resolver, TemporaryFailure
from postier.mailauth.spf_macro import EXPLANATION_LETTERS, MacroString, SpfSyntaxError, fit_domain_name
from postier.mailauth.spf_record import Directive, Kind, Record, Spf, compile_record, is_spf_record

__all__ = ["Spf", "SpfResult", "check_host"]

MAX_LOOKUP_TERMS = 10
MAX_VOID_LOOKUPS = 2
MAX_NAMES = 10
MAX_SECONDS = 20.0
MAX_EXPLANATION = 400

IpAddress = IPv4Address | IPv6Address
_T = TypeVar("_T")
_Ask = Callable[[Callable[[str], Awaitable[Answer[Any]]], str], Awaitable[Answer[Any]]]


@dataclass(frozen=True, slots=True)
class SpfResult:
    """What check_host found.

    `domain`: the one checked, A-labels, "" where there was none to check. `identity`: "mailfrom" or "helo",
    where the domain came from. `explanation`: the sender's own text for a fail (RFC 7208 6.2), None without.
    `mechanism`: the directive that matched as its record has it, "" without; `reason`: for the log, why it
    is an error. `lookups`: terms evaluated that ask the DNS (RFC 7208 4.6.4 allows 10).
    """

    result: Spf
    domain: str = ""
    identity: str = "mailfrom"
    explanation: str | None = None
    mechanism: str = ""
    reason: str = ""
    lookups: int = 0


async def check_host(
    resolver: Resolver,
    clock: Clock,
    *,
    ip: IpAddress | str,
    helo: str,
    mail_from: str | None,
    receiver: str = "unknown",
) -> SpfResult:
    """The SPF result of a client at `ip` that said `helo` and MAIL FROM:<`mail_from`>.

    `mail_from` None or "" is the null reverse-path: the identity is then postmaster@helo (RFC 7208 2.4).
    `receiver` is our own name, for the `r` macro. Never raises for what a peer or the DNS says.
    """
    identity = "mailfrom" if mail_from else "helo"
    local_part, _, domain_text = (mail_from or f"postmaster@{helo}").rpartition("@")
    try:
        domain = Domain.parse(domain_text).ascii
        if "." not in domain:
            raise ValueError("a single label")
    except ValueError:
        return SpfResult(Spf.NONE, "", identity, reason="no domain to check")  # RFC 7208 4.3
    check = _Check(resolver, clock, ip, helo, local_part or "postmaster", domain, receiver)
    try:
        result, record, final_domain = await check.evaluate(domain)
    except _Stop as stop:
        return SpfResult(stop.result, domain, identity, reason=stop.reason, lookups=check.lookup_terms)
    explanation = None
    if result is Spf.FAIL and record is not None and record.explanation is not None:
        explanation = await check.explain(record.explanation, final_domain)
    return SpfResult(result, domain, identity, explanation, check.matched, lookups=check.lookup_terms)


class _Stop(Exception):
    """temperror or permerror: nothing after it can change the result (RFC 7208 4.6, 5.2)."""

    def __init__(self, result: Spf, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


class _Check:
    """One evaluation: what is the same in all its records, and what has been spent."""

    __slots__ = (
        "bits", "clock", "deadline", "domain", "helo", "ip", "is_ip4", "local_part", "lookup_terms",
        "matched", "ptr_names", "receiver", "resolver", "void_lookups",
    )  # fmt: skip

    def __init__(
        self,
        resolver: Resolver,
        clock: Clock,
        ip: IpAddress | str,
        helo: str,
        local_part: str,
        domain: str,
        receiver: str,
    ) -> None:
        address = ip_address(ip) if isinstance(ip, str) else ip
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped  # RFC 7208 5: an IPv4 client whatever the socket says
        self.resolver = resolver
        self.clock = clock
        self.deadline = clock.monotonic() + MAX_SECONDS
        self.ip: IpAddress = address
        self.bits = int(address)
        self.is_ip4 = isinstance(address, IPv4Address)
        self.helo = helo
        self.local_part = local_part
        self.domain = domain
        self.receiver = receiver
        self.lookup_terms = 0
        self.void_lookups = 0
        self.ptr_names: tuple[str, ...] | None = None
        self.matched = ""

    async def evaluate(self, domain: str) -> tuple[Spf, Record | None, str]:
        """The result for `domain` with the record and the domain that gave it (a redirect changes both)."""
        record = await self.record(domain)
        while record is not None:
            for directive in record.directives:
                if await _MATCHERS[directive.kind](self, directive, domain):
                    self.matched = directive.text
                    return directive.result, record, domain
            if record.redirect is None:
                self.matched = ""
                return Spf.NEUTRAL, record, domain
            self.spend_lookup_term()
            target = await self.target(record.redirect, domain)
            record = await self.record(target) if target else None
            if target is None or record is None:
                raise _Stop(Spf.PERMERROR, "redirect to a domain without a record")  # RFC 7208 6.1
            domain = target
        return Spf.NONE, None, domain

    async def record(self, domain: str) -> Record | None:
        """The compiled record of `domain`, None without one (RFC 7208 4.4, 4.5)."""
        answer = await self.ask(self.resolver.txt, domain)
        found = [text for text in answer.records if is_spf_record(text)]
        if not found:
            return None
        if len(found) > 1:
            raise _Stop(Spf.PERMERROR, f"more than one record at {domain}")
        record = compile_record(found[0])
        if isinstance(record, SpfSyntaxError):
            raise _Stop(Spf.PERMERROR, f"record of {domain}: {record}")
        return record

    async def ask(self, question: Callable[[str], Awaitable[Answer[_T]]], name: str) -> Answer[_T]:
        """The answer, empty where the name does not exist."""
        if self.clock.monotonic() > self.deadline:
            raise _Stop(Spf.TEMPERROR, "the DNS took too long")
        try:
            return await question(name)
        except NotFound:
            return Answer(())
        except TemporaryFailure as error:
            raise _Stop(Spf.TEMPERROR, f"DNS: {error}") from None

    async def ask_counted(self, question: Callable[[str], Awaitable[Answer[_T]]], name: str) -> Answer[_T]:
        """As `ask`, for a mechanism's own question: an empty answer counts as void (RFC 7208 4.6.4)."""
        answer = await self.ask(question, name)
        if not answer.records:
            self.void_lookups += 1
            if self.void_lookups > MAX_VOID_LOOKUPS:
                raise _Stop(Spf.PERMERROR, "too many void lookups")
        return answer

    def spend_lookup_term(self) -> None:
        self.lookup_terms += 1
        if self.lookup_terms > MAX_LOOKUP_TERMS:
            raise _Stop(Spf.PERMERROR, "too many terms that ask the DNS")

    async def target(self, spec: MacroString | None, domain: str) -> str | None:
        """The target-name of a term; None where no query can be made of it, which matches nothing."""
        if spec is None:
            return domain
        name = fit_domain_name(await self.expand(spec, domain))
        is_name = name.isascii() and all(0 < len(label) < 64 for label in name.split("."))
        return name if is_name else None  # RFC 8616 4: a local-part beyond ASCII matches nothing

    async def expand(self, text: MacroString, domain: str) -> str:
        if text.constant is not None:
            return text.constant
        values = {letter: _LETTERS[letter](self, domain) for letter in text.letters() if letter != "p"}
        if "p" in text.letters():
            values["p"] = await self.validated_name(domain)
        return text.expand(values)

    async def explain(self, spec: MacroString, domain: str) -> str | None:
        """The text at the target of `exp`; None for anything wrong with it (RFC 7208 6.2)."""
        try:
            target = await self.target(spec, domain)
            texts = (await self.ask(self.resolver.txt, target)).records if target else ()
            if len(texts) != 1:
                return None
            text = await self.expand(MacroString.parse(texts[0].decode("ascii"), EXPLANATION_LETTERS), domain)
        except (_Stop, SpfSyntaxError, UnicodeDecodeError):
            return None
        return text[:MAX_EXPLANATION] if text.isprintable() else None

    async def validated_names(self) -> tuple[str, ...]:
        """The client's names that point back at it, at most 10 of them tried (RFC 7208 5.5).

        A client without a name is no void lookup: the domain being checked has no say in it.
        """
        if self.ptr_names is None:
            try:
                names = (await self.resolver.ptr(self.ip)).records[:MAX_NAMES]
            except (NotFound, TemporaryFailure):
                names = ()
            self.ptr_names = tuple([name.lower() for name in names if await self.points_here(name)])
        return self.ptr_names

    async def points_here(self, name: str) -> bool:
        try:
            return self.ip in await self.addresses_of(name, self.ask)
        except _Stop:
            return False  # RFC 7208 5.5: a name whose look-up fails is skipped

    async def addresses_of(self, name: str, ask: _Ask) -> tuple[IpAddress, ...]:
        """The addresses of `name` in the client's family, asked through `ask` or `ask_counted`."""
        if self.is_ip4:
            return (await ask(self.resolver.a, name)).records
        return (await ask(self.resolver.aaaa, name)).records

    async def validated_name(self, domain: str) -> str:
        """The `p` macro: the domain itself, else a name below it, else any, else "unknown" (RFC 7208 7.3)."""
        names = await self.validated_names()
        below = [name for name in names if name.endswith("." + domain)]
        return domain if domain in names else (*below, *names, "unknown")[0]

    def any_within(self, addresses: tuple[IpAddress, ...], directive: Directive) -> bool:
        shift = 32 - directive.prefix4 if self.is_ip4 else 128 - directive.prefix6
        return any(int(address) >> shift == self.bits >> shift for address in addresses)


async def _match_all(check: _Check, directive: Directive, domain: str) -> bool:
    return True


async def _match_ip4(check: _Check, directive: Directive, domain: str) -> bool:
    return check.is_ip4 and check.bits >> directive.shift == directive.network


async def _match_ip6(check: _Check, directive: Directive, domain: str) -> bool:
    return not check.is_ip4 and check.bits >> directive.shift == directive.network


async def _match_include(check: _Check, directive: Directive, domain: str) -> bool:
    check.spend_lookup_term()
    target = await check.target(directive.domain, domain)
    result = (await check.evaluate(target))[0] if target else Spf.NONE
    if result is Spf.NONE:
        raise _Stop(Spf.PERMERROR, "include of a domain without a record")  # RFC 7208 5.2
    return result is Spf.PASS


async def _match_a(check: _Check, directive: Directive, domain: str) -> bool:
    check.spend_lookup_term()
    target = await check.target(directive.domain, domain)
    if target is None:
        return False
    return check.any_within(await check.addresses_of(target, check.ask_counted), directive)


async def _match_mx(check: _Check, directive: Directive, domain: str) -> bool:
    check.spend_lookup_term()
    target = await check.target(directive.domain, domain)
    if target is None:
        return False
    hosts = (await check.ask_counted(check.resolver.mx, target)).records
    if len(hosts) > MAX_NAMES:
        raise _Stop(Spf.PERMERROR, "more than 10 MX names")
    for host in hosts:  # their addresses are no void lookups: a host with IPv4 only is no mistake
        addresses = await check.addresses_of(host.exchange, check.ask) if host.exchange else ()
        if check.any_within(addresses, directive):
            return True
    return False


async def _match_ptr(check: _Check, directive: Directive, domain: str) -> bool:
    check.spend_lookup_term()
    target = await check.target(directive.domain, domain)
    if target is None:
        return False
    target = target.lower()
    return any(name == target or name.endswith("." + target) for name in await check.validated_names())


async def _match_exists(check: _Check, directive: Directive, domain: str) -> bool:
    check.spend_lookup_term()
    target = await check.target(directive.domain, domain)
    return target is not None and bool((await check.ask_counted(check.resolver.a, target)).records)


_MATCHERS: dict[Kind, Callable[[_Check, Directive, str], Awaitable[bool]]] = {
    Kind.ALL: _match_all,
    Kind.IP4: _match_ip4,
    Kind.IP6: _match_ip6,
    Kind.INCLUDE: _match_include,
    Kind.A: _match_a,
    Kind.MX: _match_mx,
    Kind.PTR: _match_ptr,
    Kind.EXISTS: _match_exists,
}


def _dotted(check: _Check) -> str:
    return str(check.ip) if check.is_ip4 else ".".join(f"{check.bits:032X}")


# RFC 7208 7.2; `p` is not here because it asks the DNS
_LETTERS: dict[str, Callable[[_Check, str], str]] = {
    "s": lambda check, domain: f"{check.local_part}@{check.domain}",
    "l": lambda check, domain: check.local_part,
    "o": lambda check, domain: check.domain,
    "d": lambda check, domain: domain,
    "i": lambda check, domain: _dotted(check),
    "v": lambda check, domain: "in-addr" if check.is_ip4 else "ip6",
    "h": lambda check, domain: check.helo,
    "c": lambda check, domain: str(check.ip),
    "r": lambda check, domain: check.receiver,
    "t": lambda check, domain: str(int(check.clock.now())),
}
