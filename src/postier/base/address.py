"""Mail addresses: local-part "@" domain (RFC 5321 4.1.2, RFC 6531 3.3)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from postier.base.domain import AddressLiteral, Domain

__all__ = ["Address", "quote_local_part"]

_DOT_STRING = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+)*"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # and line ends of Unicode


def quote_local_part(local_part: str) -> str:
    """`local_part` as it stands on the wire: a Dot-string as it is, anything else as a Quoted-string."""
    if _DOT_STRING.fullmatch(local_part):
        return local_part
    return '"' + local_part.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class Address:
    """A mail address. `local_part` is unquoted and kept as it was written; `domain` is canonical.

    Raises ValueError for an empty local-part, one past 64 octets, or one with control characters.
    """

    local_part: str
    domain: Domain | AddressLiteral

    def __post_init__(self) -> None:
        if not self.local_part:
            raise ValueError("the part before @ is empty")
        try:
            octets = len(self.local_part.encode())
        except UnicodeEncodeError:
            raise ValueError("the part before @ is not Unicode text") from None
        if octets > 64:
            raise ValueError("the part before @ is longer than 64 octets")
        if _CONTROL.search(self.local_part):
            raise ValueError("the part before @ has control characters")

    @classmethod
    def parse(cls, text: str) -> Address:
        """From what a person or a setting says: `name@domain`, `"odd name"@domain`, `name@[192.0.2.1]`.

        Raises ValueError with a sentence for a person.
        """
        local_part, at, domain = text.rpartition("@")
        if not at:
            raise ValueError(f"not a mail address: {text!r} (no @)")
        if local_part.startswith('"'):
            if len(local_part) < 2 or not local_part.endswith('"'):
                raise ValueError(f"not a mail address: {text!r} (quotation mark not closed)")
            local_part = re.sub(r"\\(.)", r"\1", local_part[1:-1])
        elif not _DOT_STRING.fullmatch(local_part):
            raise ValueError(f"not a mail address: {text!r}")
        try:
            host = AddressLiteral.parse(domain) if domain.startswith("[") else Domain.parse(domain)
            return cls(local_part, host)
        except ValueError as error:
            raise ValueError(f"not a mail address: {text!r} ({error})") from None

    @property
    def lookup_key(self) -> str:
        """What two addresses of one person share: local-part in NFC and case-folded, "@", domain."""
        return f"{unicodedata.normalize('NFC', self.local_part).casefold()}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """True if the local-part is not ASCII (RFC 6531); the domain always has its A-label form."""
        return not self.local_part.isascii()

    def __str__(self) -> str:
        return f"{quote_local_part(self.local_part)}@{self.domain}"
