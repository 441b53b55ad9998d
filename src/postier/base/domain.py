"""Domain names as mail uses them (RFC 1035 2.3.1, RFC 5321 4.1.2, IDNA: RFC 5890 to 5893 with UTS 46)."""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass

import idna

__all__ = ["AddressLiteral", "Domain"]

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain name in A-label form, lower case, no final dot, 1 to 253 octets.

    Underscores are accepted, since mail's own records use them (`_dmarc.example`).
    Raises ValueError if `ascii` is not such a name; use `parse` for what people and peers write.
    """

    ascii: str

    def __post_init__(self) -> None:
        if not 0 < len(self.ascii) <= 253 or not all(
            _LABEL.fullmatch(label) for label in self.ascii.split(".")
        ):
            raise ValueError(f"not a domain name: {self.ascii!r}")

    @classmethod
    def parse(cls, text: str) -> Domain:
        """From A-labels, U-labels or a mixture, any case, with or without the final dot.

        Raises ValueError if it is no domain name.
        """
        return _parse(text)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.ascii.split("."))

    @property
    def unicode(self) -> str:
        """The U-label form for people; the A-label form where decoding does not round-trip."""
        if "xn--" not in self.ascii:
            return self.ascii
        try:
            shown = idna.decode(self.ascii)
            return shown if idna.encode(shown, uts46=True).decode() == self.ascii else self.ascii
        except (idna.IDNAError, UnicodeError):
            return self.ascii

    @property
    def can_take_mail(self) -> bool:
        """True for letters, digits and hyphens in two labels or more (RFC 5321 2.3.5); service names such as
        `_dmarc.example` and single labels are nobody's mail domain."""
        return "." in self.ascii and "_" not in self.ascii

    def is_subdomain_of(self, other: Domain) -> bool:
        """True also for equal names."""
        return self.ascii == other.ascii or self.ascii.endswith("." + other.ascii)

    def __str__(self) -> str:
        return self.ascii


@functools.lru_cache(maxsize=4096)
def _parse(text: str) -> Domain:
    text = text.removesuffix(".")
    if len(text) > 1000:
        raise ValueError("not a domain name: longer than 253 octets")
    if text.isascii():
        return Domain(text.lower())
    try:
        return Domain(idna.encode(text, uts46=True).decode("ascii"))
    except (idna.IDNAError, UnicodeError) as error:
        raise ValueError(f"not a domain name: {text!r} ({error})") from None


@dataclass(frozen=True, slots=True)
class AddressLiteral:
    """`[192.0.2.1]` or `[IPv6:2001:db8::1]` where a domain could stand (RFC 5321 4.1.3)."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address

    @classmethod
    def parse(cls, text: str) -> AddressLiteral:
        """`text` with its brackets. Raises ValueError."""
        if not (text.startswith("[") and text.endswith("]")):
            raise ValueError("not an address literal")
        inner = text[1:-1]
        if inner[:5].upper() == "IPV6:":
            return cls(ipaddress.IPv6Address(inner[5:]))
        return cls(ipaddress.IPv4Address(inner))

    def __str__(self) -> str:
        tag = "IPv6:" if self.address.version == 6 else ""
        return f"[{tag}{self.address}]"
