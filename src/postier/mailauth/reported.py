"""Reading what others found: the results in an Authentication-Results field (RFC 8601 2.2), leniently.

Worth as much as whoever signed them. One pass from left to right; what is not the grammar is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Reported", "reported_results"]

MAX_READ = 16_384
MAX_RESULTS = 50
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*+"|\\.|[^;"(\\]++|.', re.DOTALL)
_COMMENT = re.compile(r"[^()\\]++|\\.|.", re.DOTALL)  # a quote is a character like others in it
_WORD = re.compile(
    r'(?<![A-Za-z0-9._/-])([A-Za-z0-9._/-]++)[ \t\r\n]*+=[ \t\r\n]*+("(?:[^"\\]|\\.)*+"|[^ \t\r\n"]++)',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Reported:
    """One resinfo: `method` and `result` in lower case; `properties` by ptype.property in lower case."""

    method: str
    result: str
    properties: Mapping[str, str]


def reported_results(text: str) -> list[Reported]:
    """What `text`, which begins with the authserv-id, reports; 50 results at most."""
    found: list[Reported] = []
    for statement in _statements(text[:MAX_READ])[1:]:
        words = [(name.lower(), _unquoted(value)) for name, value in _WORD.findall(statement)]
        if words:
            (method, result), *rest = words
            found.append(Reported(method.partition("/")[0], result.lower(), dict(rest)))
        if len(found) == MAX_RESULTS:
            break
    return found


def _statements(text: str) -> list[str]:
    """Cut at semicolons that stand in no quoted-string and no comment; without the comments."""
    statements: list[str] = []
    pieces: list[str] = []
    depth = position = 0
    while found := (_COMMENT if depth else _TEXT).match(text, position):
        piece, position = found.group(), found.end()
        if piece == "(":
            depth += 1
        elif depth:
            depth -= piece == ")"
        elif piece == ";":
            statements.append("".join(pieces))
            pieces = []
        else:
            pieces.append(piece)
    return [*statements, "".join(pieces)]


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
