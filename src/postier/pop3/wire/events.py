"""What a POP3 client asks for, once the line is read and allowed in the state.

`number` is a message-number as in a scan listing, from 1; None where the argument is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Auth",
    "AuthCancelled",
    "AuthResponse",
    "Capa",
    "Dele",
    "Lang",
    "List",
    "Pass",
    "Pop3Event",
    "Quit",
    "Retr",
    "Rset",
    "Stat",
    "Stls",
    "TooManyErrors",
    "Top",
    "Uidl",
    "User",
]


@dataclass(frozen=True, slots=True)
class Capa:
    pass


@dataclass(frozen=True, slots=True)
class Lang:
    """`wanted`: a language range, "*" for what suits the person best, None for a list of the languages."""

    wanted: str | None


@dataclass(frozen=True, slots=True)
class User:
    name: str


@dataclass(frozen=True, slots=True)
class Pass:
    """`name` is that of the USER command before it."""

    name: str
    password: str

    def __repr__(self) -> str:
        return f"Pass({self.name!r}, ...)"


@dataclass(frozen=True, slots=True)
class Auth:
    """RFC 5034. `initial` is decoded, None if there was none."""

    mechanism: str
    initial: bytes | None

    def __repr__(self) -> str:
        return f"Auth({self.mechanism!r}, ...)"


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """The answer to a challenge, decoded."""

    data: bytes

    def __repr__(self) -> str:
        return "AuthResponse(...)"


@dataclass(frozen=True, slots=True)
class AuthCancelled:
    """`*`, or no base64; the core has answered."""


@dataclass(frozen=True, slots=True)
class Stls:
    pass


@dataclass(frozen=True, slots=True)
class Stat:
    pass


@dataclass(frozen=True, slots=True)
class List:
    number: int | None


@dataclass(frozen=True, slots=True)
class Uidl:
    number: int | None


@dataclass(frozen=True, slots=True)
class Retr:
    number: int


@dataclass(frozen=True, slots=True)
class Top:
    number: int
    lines: int


@dataclass(frozen=True, slots=True)
class Dele:
    number: int


@dataclass(frozen=True, slots=True)
class Rset:
    pass


@dataclass(frozen=True, slots=True)
class Quit:
    pass


@dataclass(frozen=True, slots=True)
class TooManyErrors:
    """The client sends nothing but errors; the core has said so, the session closes."""


Pop3Event = (
    Capa
    | Lang
    | User
    | Pass
    | Auth
    | AuthResponse
    | AuthCancelled
    | Stls
    | Stat
    | List
    | Uidl
    | Retr
    | Top
    | Dele
    | Rset
    | Quit
    | TooManyErrors
)
