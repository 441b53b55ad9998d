"""What a request of the management API may say: read from its path and query, and told in OpenAPI's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from postier.base.address import Address
from postier.base.domain import Domain
from postier.http.problem import Problem

__all__ = ["AccountName", "Choice", "DomainName", "Flag", "Parameter", "Text", "Whole", "read_parameters"]


class Kind(Protocol):
    def read(self, text: str) -> Any:
        """Raises ValueError, which says what was expected."""
        ...

    def schema(self) -> dict[str, Any]:
        """JSON Schema, as OpenAPI 3.1 has it."""
        ...


class Whole(NamedTuple):
    """A number, both ends included."""

    least: int
    most: int

    def read(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 10):
            raise ValueError(f"a number from {self.least} to {self.most}")
        value = int(text)
        if not self.least <= value <= self.most:
            raise ValueError(f"a number from {self.least} to {self.most}")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


class Choice(NamedTuple):
    words: tuple[str, ...]

    def read(self, text: str) -> str:
        if text not in self.words:
            raise ValueError("one of " + ", ".join(self.words))
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.words)}


class Flag(NamedTuple):
    def read(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise ValueError("true or false")
        return text == "true"

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Text(NamedTuple):
    """Printable ASCII; `prefix`, in any case, begins it."""

    longest: int
    prefix: str = ""

    def read(self, text: str) -> str:
        if not (text.isascii() and text.isprintable() and len(text) <= self.longest):
            raise ValueError(f"at most {self.longest} characters of printable ASCII")
        if text and not text.lower().startswith(self.prefix):
            raise ValueError(f'a text that begins with "{self.prefix}"')
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.longest}


class DomainName(NamedTuple):
    """Read as its A-labels; "" stays."""

    def read(self, text: str) -> str:
        try:
            return Domain.parse(text).ascii if text else ""
        except ValueError:
            raise ValueError("the name of a domain") from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": 253}


class AccountName(NamedTuple):
    """An address, read as the name of an account."""

    def read(self, text: str) -> str:
        try:
            return Address.parse(text).lookup_key
        except ValueError:
            raise ValueError("an address") from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": 320}


class Parameter(NamedTuple):
    """`default`: its value where it is not given. One of the path stands there in braces, and is always
    given."""

    name: str
    kind: Kind
    default: Any
    description: str
    in_path: bool = False


def read_parameters(
    known: Sequence[Parameter], path: Mapping[str, str], query: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """The value of each. Raises Problem: one that nobody knows, one given twice, a value that can't be."""
    given = dict(path)
    names = [parameter.name for parameter in known if not parameter.in_path]
    for name, text in query:
        if name not in names:
            raise Problem(400, "there is no such parameter; there are: " + (", ".join(names) or "none"))
        if name in given:
            raise Problem(400, f"{name} is given twice")
        given[name] = text
    values = {}
    for parameter in known:
        if parameter.name not in given:
            values[parameter.name] = parameter.default
            continue
        try:
            values[parameter.name] = parameter.kind.read(given[parameter.name])
        except ValueError as error:
            raise Problem(400, f"{parameter.name}: expected {error}") from None
    return values
