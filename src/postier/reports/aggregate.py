"""DMARC aggregate reports (RFC 9990 3.1, RFC 7489 appendix C, and what came before it) out of XML.

Whatever is missing or odd in a report becomes what a reader would take it for: one wrong value is no reason
to lose the other thousand. A report is unreadable only if it does not say whose mail it is about.
"""

from __future__ import annotations

import hashlib

from postier.reports.limits import Budget, Unreadable
from postier.reports.markup import read_markup
from postier.reports.records import Node, plain_rows, row_of, too_many_rows
from postier.reports.words import host, moment, word
from postier.store.reports import AggregateReport, PublishedPolicy, ReportRow

__all__ = ["read_aggregate"]

_ERRORS = 20
_SECTION = 256 * 1024
_TEXT = 4096
"""Characters of a section, and of one element in it, that are looked at."""


def read_aggregate(text: str, budget: Budget) -> AggregateReport:
    """Raises Unreadable."""
    sections = _Sections(budget)
    start, end = text.find("<record>"), text.rfind("</record>") + len("</record>")
    rows = plain_rows(text, start, end, budget) if 0 <= start < end else None
    read_markup(text if rows is None else text[:start] + text[end:], sections, budget)
    if rows is not None:
        sections.rows = rows
    if not sections.metadata and not sections.policy and not sections.rows:
        raise Unreadable("the XML is no DMARC report")
    metadata, dates = sections.metadata, sections.metadata.child("date_range")
    policy = _policy(sections)
    report_id = metadata.text("report_id").strip("<>")
    if not report_id:
        report_id = "sha256:" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
    begin, end = moment(dates.text("begin")), moment(dates.text("end"))
    email = metadata.text("email")
    return AggregateReport(
        org=metadata.text("org_name") or host(email.rpartition("@")[2].strip("<> ")) or "?",
        report_id=report_id,
        policy=policy,
        begin=min(begin or end, end or begin),
        end=max(begin, end),
        rows=tuple(sections.rows),
        email=email,
        contact=metadata.text("extra_contact_info"),
        errors=tuple(error.own for error in metadata.all("error")[:_ERRORS] if error.own),
    )


class _Sections:
    """A Collector of the three kinds of sections below the root; a record becomes a row at its end."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._limits = budget.limits
        self.reset()

    def reset(self) -> None:
        self.complete = False
        self.metadata = Node()
        self.policy = Node()
        self.rows: list[ReportRow] = []
        self._path: list[Node] = []
        self._nodes = 0
        self._room = 0

    def start(self, name: str) -> None:
        path = self._path
        node = Node()
        if path:
            if len(path) == 1:
                self._nodes = 0
                self._room = _SECTION
            self._nodes += 1
            if self._nodes > self._limits.nodes:
                raise Unreadable(f"a section of it has more than {self._limits.nodes} elements")
            if len(path) >= self._limits.depth:
                raise Unreadable(f"its elements are nested deeper than {self._limits.depth}")
            if len(path) > 1:
                same = path[-1].children.get(name)
                if same is None:
                    path[-1].children[name] = [node]
                else:
                    same.append(node)
        elif self.complete:
            raise Unreadable("it has two documents")
        path.append(node)

    def text(self, data: str) -> None:
        if len(self._path) > 2 and self._room > 0 and not data.isspace():
            self._room -= len(data)
            node = self._path[-1]
            if len(node.pieces) < _TEXT:
                node.pieces += data

    def end(self, name: str) -> None:
        node = self._path.pop()
        depth = len(self._path)
        if depth == 1:
            if name == "record":
                if len(self.rows) == self._limits.rows:
                    raise too_many_rows(self._budget)
                self.rows.append(row_of(node))
            elif name == "report_metadata":
                self.metadata = self.metadata or node
            elif name == "policy_published":
                self.policy = self.policy or node
        elif depth == 0:
            self.complete = True


def _policy(sections: _Sections) -> PublishedPolicy:
    """Raises Unreadable where neither it nor a row names a domain."""
    policy = sections.policy
    domain = host(policy.raw("domain")) or next((r.header_from for r in sections.rows if r.header_from), "")
    if not domain:
        raise Unreadable("it does not say of which domain it tells")
    return PublishedPolicy(
        domain,
        p=word(policy.raw("p")),
        sp=word(policy.raw("sp")),
        np=word(policy.raw("np")),
        adkim=_alignment(policy.raw("adkim")),
        aspf=_alignment(policy.raw("aspf")),
        pct=word(policy.raw("pct")),
        testing=word(policy.raw("testing")),
        fo=word(policy.raw("fo")),
        discovery=word(policy.raw("discovery_method")),
    )


def _alignment(text: str) -> str:
    return "s" if word(text)[:1] == "s" else "r"
