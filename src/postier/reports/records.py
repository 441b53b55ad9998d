"""Records of aggregate reports: elements as nodes, a record's node as a row, and a short way there.

A report of a large reporter has thousands of records that a program wrote, alike but for address and count.
`plain_rows` reads such records without an XML reader, and what several have in common only once; it takes
nothing but plain elements (no attributes, entities, comments), for which it finds what `row_of` would.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from postier.reports.limits import Budget, Unreadable
from postier.reports.words import clean, host, number, source_address, word
from postier.store.reports import AuthDkim, AuthSpf, Override, ReportRow

__all__ = ["EMPTY", "Node", "plain_rows", "row_of", "too_many_rows"]

_AUTHENTICATIONS = 100
"""Signatures or SPF results of one row that are kept."""
_REASONS = 20
_LONGEST = 4096
"""Characters of a record that is read the short way."""
_DEPTH = 10
_GAP = re.compile(r"\s*+<record>")
_ROW = re.compile(
    r"\s*+<row>\s*+<source_ip>([^<&]*+)</source_ip>\s*+<count>([^<&]*+)</count>([^&]*+)", re.DOTALL
)
_TOKEN = re.compile(r"\s*+<(?:([a-z_]++)>([^<&]*+)</\1>|([a-z_]++)>|/([a-z_]++)>)")


class Node:
    """An element: its own text, and its children by name."""

    __slots__ = ("children", "pieces")

    def __init__(self) -> None:
        self.children: dict[str, list[Node]] = {}
        self.pieces = ""

    def __bool__(self) -> bool:
        return bool(self.children)

    @property
    def own(self) -> str:
        return clean(self.pieces)

    def all(self, name: str) -> list[Node]:
        return self.children.get(name, [])

    def child(self, name: str) -> Node:
        found = self.children.get(name)
        return found[0] if found else EMPTY

    def raw(self, name: str) -> str:
        """The text of a child as it stands; of several the first that has any."""
        for node in self.children.get(name, ()):
            if node.pieces:
                return node.pieces
        return ""

    def text(self, name: str) -> str:
        return clean(self.raw(name))


EMPTY = Node()


_DISPOSITIONS = {"": "none", "pass": "pass", "none": "none", "quarantine": "quarantine", "reject": "reject"}


class _Evaluated(NamedTuple):
    """policy_evaluated."""

    disposition: str
    dkim: str
    spf: str
    overrides: tuple[Override, ...]


class _Known(NamedTuple):
    """identifiers and auth_results."""

    header_from: str
    envelope_from: str
    envelope_to: str
    auth_dkim: tuple[AuthDkim, ...]
    auth_spf: tuple[AuthSpf, ...]


def plain_rows(text: str, start: int, end: int, budget: Budget) -> list[ReportRow] | None:
    """The rows of the records in text[start:end], if these are plain; else None. Raises Unreadable."""
    rows: list[ReportRow] = []
    while start < end:
        gap = _GAP.match(text, start, end)
        stop = text.find("</record>", start, end)
        middle = text.find("</row>", start, stop)
        if gap is None or middle < 0 or stop - start > _LONGEST:
            return None
        row = _ROW.fullmatch(text, gap.end(), middle)
        evaluated = None if row is None else _evaluated_in(row[3])
        known = _known_in(text[middle + 6 : stop])
        if row is None or evaluated is None or known is None:
            return None
        if len(rows) == budget.limits.rows:
            raise too_many_rows(budget)
        if not len(rows) % 1000:
            budget.check()
        rows.append(_joined(row[1], row[2], evaluated, known))
        start = stop + 9
    return rows


def too_many_rows(budget: Budget) -> Unreadable:
    return Unreadable(f"it has more than {budget.limits.rows} rows")


def row_of(record: Node) -> ReportRow:
    row = record.child("row")
    return _joined(row.raw("source_ip"), row.raw("count"), _evaluated(row), _known(record))


def _joined(source: str, count: str, evaluated: _Evaluated, known: _Known) -> ReportRow:
    disposition, dkim, spf, overrides = evaluated
    header_from, envelope_from, envelope_to, auth_dkim, auth_spf = known
    return ReportRow(
        source_address(source),
        number(count, 1),
        disposition,
        dkim,
        spf,
        header_from,
        envelope_from,
        envelope_to,
        overrides,
        auth_dkim,
        auth_spf,
    )


@functools.lru_cache(maxsize=512)
def _evaluated_in(text: str) -> _Evaluated | None:
    node = _plain_node(text)
    return None if node is None else _evaluated(node)


@functools.lru_cache(maxsize=1024)
def _known_in(text: str) -> _Known | None:
    node = _plain_node(text)
    return None if node is None else _known(node)


def _plain_node(text: str) -> Node | None:
    """A node with the elements that `text` consists of; None where it has anything but plain elements."""
    top = Node()
    path, names, place = [top], [""], 0
    for token in _TOKEN.finditer(text):
        if token.start() != place:
            return None
        place = token.end()
        leaf, content, opened, closed = token.groups()
        if closed is not None:
            if closed != names.pop() or not names:
                return None
            path.pop()
            continue
        node = Node()
        path[-1].children.setdefault(leaf or opened, []).append(node)
        if leaf is not None:
            node.pieces = content
        elif len(path) == _DEPTH:
            return None
        else:
            path.append(node)
            names.append(opened)
    return top if len(path) == 1 and not text[place:].strip() else None


def _evaluated(row: Node) -> _Evaluated:
    evaluated = row.child("policy_evaluated")
    return _Evaluated(
        _DISPOSITIONS.get(word(evaluated.raw("disposition")), "none"),
        "pass" if word(evaluated.raw("dkim")) == "pass" else "fail",
        "pass" if word(evaluated.raw("spf")) == "pass" else "fail",
        tuple(_override(one) for one in evaluated.all("reason")[:_REASONS] if one),
    )


def _known(record: Node) -> _Known:
    names = record.child("identifiers") or record.child("identities")
    auth = record.child("auth_results")
    spf = tuple(map(_spf, [one for one in auth.all("spf") if one][:_AUTHENTICATIONS]))
    envelope_from = host(names.raw("envelope_from"))
    if not envelope_from and spf and spf[-1].scope == "mfrom":
        envelope_from = spf[-1].domain
    return _Known(
        host(names.raw("header_from")),
        envelope_from,
        host(names.raw("envelope_to")),
        tuple(map(_dkim, [one for one in auth.all("dkim") if one][:_AUTHENTICATIONS])),
        spf,
    )


def _dkim(node: Node) -> AuthDkim:
    return AuthDkim(
        host(node.raw("domain")),
        clean(node.raw("selector"), 100),
        word(node.raw("result"), "none"),
        clean(node.raw("human_result")),
    )


def _spf(node: Node) -> AuthSpf:
    scope = "helo" if word(node.raw("scope")) == "helo" else "mfrom"
    return AuthSpf(
        host(node.raw("domain")), scope, word(node.raw("result"), "none"), clean(node.raw("human_result"))
    )


def _override(node: Node) -> Override:
    return Override(word(node.raw("type"), "other"), clean(node.raw("comment")))
