"""The grammar of SPF records (RFC 7208 4.6, 5, 6, 12): a record compiled into directives, once."""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from postier.mailauth.spf_macro import DOMAIN_LETTERS, MacroString, SpfSyntaxError

__all__ = ["Directive", "Kind", "Record", "Spf", "compile_record", "is_spf_record"]


class Spf(enum.Enum):
    """The results of check_host (RFC 7208 2.6), in the words of RFC 8601 2.7.2."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Kind(enum.Enum):
    """The mechanisms (RFC 7208 5)."""

    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class Directive:
    """A mechanism with its qualifier as the result it gives.

    `domain`: None is the current domain. `prefix4`, `prefix6`: bits of an address that must agree.
    `network`: of ip4 and ip6, its bits already shifted by `shift`. `text`: as the record has it.
    """

    kind: Kind
    result: Spf
    text: str
    domain: MacroString | None = None
    prefix4: int = 32
    prefix6: int = 128
    network: int = 0
    shift: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """A valid record. `redirect` is already None where an `all` makes it void (RFC 7208 6.1)."""

    directives: tuple[Directive, ...]
    redirect: MacroString | None
    explanation: MacroString | None


MAX_RECORD = 16_384
"""Octets. RFC 7208 3.4 wants less than 512, and who ignores that still needs no more than a few thousand."""

_TOO_LONG = SpfSyntaxError("the record is too long")
_QUALIFIERS = {"+": Spf.PASS, "-": Spf.FAIL, "~": Spf.SOFTFAIL, "?": Spf.NEUTRAL}
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_DUAL_CIDR = re.compile(r"(?:/(0|[1-9][0-9]{0,2}))?(?://(0|[1-9][0-9]{0,2}))?\Z")
_CIDR = re.compile(r"0|[1-9][0-9]{0,2}")


def is_spf_record(text: bytes) -> bool:
    """Whether a TXT record is one of SPF version 1 (RFC 7208 4.5)."""
    return text[:6].lower() == b"v=spf1" and text[6:7] in (b"", b" ")


def compile_record(text: bytes) -> Record | SpfSyntaxError:
    """`text` starts with the version. An error is a value here, so that it is remembered as well."""
    return _remembered(text) if len(text) <= MAX_RECORD else _TOO_LONG


@functools.lru_cache(maxsize=4096)
def _remembered(text: bytes) -> Record | SpfSyntaxError:
    try:
        return _compile(text.decode("ascii"))
    except UnicodeDecodeError:
        return SpfSyntaxError("the record is not ASCII")
    except SpfSyntaxError as error:
        return error


def _compile(text: str) -> Record:
    directives: list[Directive] = []
    modifiers: dict[str, MacroString] = {}
    for term in text[6:].split(" "):
        if not term:
            continue
        modifier = _MODIFIER.match(term)
        if modifier is None:
            directives.append(_directive(term))
            continue
        name, value = modifier.group(1).lower(), term[modifier.end() :]
        if name not in ("redirect", "exp"):
            MacroString.parse(value, DOMAIN_LETTERS)
        elif name in modifiers:
            raise SpfSyntaxError(f"{name}= stands twice")
        else:
            modifiers[name] = MacroString.parse_domain_spec(value)
    has_all = any(directive.kind is Kind.ALL for directive in directives)
    redirect = None if has_all else modifiers.get("redirect")
    return Record(tuple(directives), redirect, modifiers.get("exp"))


def _directive(term: str) -> Directive:
    result = _QUALIFIERS.get(term[0])
    start = 1 if result else 0
    name = _NAME.match(term, start)
    parse = _MECHANISMS.get(name.group().lower()) if name else None
    if parse is None or name is None:
        raise SpfSyntaxError("an unknown mechanism")
    return parse(term, term[name.end() :], result or Spf.PASS)


def _all(text: str, argument: str, result: Spf) -> Directive:
    if argument:
        raise SpfSyntaxError("all takes no argument")
    return Directive(Kind.ALL, result, text)


def _with_domain(kind: Kind) -> Callable[[str, str, Spf], Directive]:
    """include and exists: ":" domain-spec (RFC 7208 5.2, 5.7)."""

    def parse(text: str, argument: str, result: Spf) -> Directive:
        if not argument.startswith(":"):
            raise SpfSyntaxError(f"{kind.value} without a domain")
        return Directive(kind, result, text, MacroString.parse_domain_spec(argument[1:]))

    return parse


def _ptr(text: str, argument: str, result: Spf) -> Directive:
    if not argument:
        return Directive(Kind.PTR, result, text)
    return _with_domain(Kind.PTR)(text, argument, result)


def _addresses(kind: Kind) -> Callable[[str, str, Spf], Directive]:
    """a and mx: [ ":" domain-spec ] [ dual-cidr-length ] (RFC 7208 5.3, 5.4, 5.6)."""

    def parse(text: str, argument: str, result: Spf) -> Directive:
        target, prefix4, prefix6 = _split_dual_cidr(argument)
        if target and not target.startswith(":"):
            raise SpfSyntaxError(f"{kind.value} with a malformed argument")
        domain = MacroString.parse_domain_spec(target[1:]) if target else None
        return Directive(kind, result, text, domain, prefix4, prefix6)

    return parse


def _split_dual_cidr(argument: str) -> tuple[str, int, int]:
    """A domain may hold slashes itself: the lengths are what stands at the very end."""
    found = _DUAL_CIDR.search(argument)
    if found is None:
        return argument, 32, 128
    prefix4, prefix6 = (int(digits) if digits else None for digits in found.groups())
    prefix4 = 32 if prefix4 is None else prefix4
    prefix6 = 128 if prefix6 is None else prefix6
    if prefix4 > 32 or prefix6 > 128:
        raise SpfSyntaxError("a prefix is longer than an address")
    return argument[: found.start()], prefix4, prefix6


def _network(kind: Kind) -> Callable[[str, str, Spf], Directive]:
    """ip4 and ip6: ":" network [ "/" length ] (RFC 7208 5.6)."""
    address_class: type[IPv4Address] | type[IPv6Address] = IPv4Address if kind is Kind.IP4 else IPv6Address
    bits = 32 if kind is Kind.IP4 else 128

    def parse(text: str, argument: str, result: Spf) -> Directive:
        network, slash, length = argument[1:].partition("/")
        if not argument.startswith(":") or "%" in network or (slash and not _CIDR.fullmatch(length)):
            raise SpfSyntaxError(f"{kind.value} with a malformed network")
        try:
            value = int(address_class(network))
        except ValueError:
            raise SpfSyntaxError(f"{kind.value} with a malformed network") from None
        shift = bits - int(length) if slash else 0
        if shift < 0:
            raise SpfSyntaxError("a prefix is longer than an address")
        return Directive(kind, result, text, network=value >> shift, shift=shift)

    return parse


_MECHANISMS: dict[str, Callable[[str, str, Spf], Directive]] = {
    "all": _all,
    "include": _with_domain(Kind.INCLUDE),
    "a": _addresses(Kind.A),
    "mx": _addresses(Kind.MX),
    "ptr": _ptr,
    "ip4": _network(Kind.IP4),
    "ip6": _network(Kind.IP6),
    "exists": _with_domain(Kind.EXISTS),
}
