"""What the readers of reports are thrown at, and what must hold (see fuzz_targets)."""

from __future__ import annotations

from postier.reports.limits import Budget, Limits, Unreadable
from postier.reports.markup import decode_markup, read_markup
from postier.reports.read import read_report
from postier.store.api import AggregateReport, FailureReport, TlsReport

__all__ = ["REPORT_TARGETS"]

_LIMITS = Limits(octets=200_000, json=100_000, rows=200, nodes=500)


def report(data: bytes) -> None:
    """Any file or mail: reports that can be printed and stored, or Unreadable."""
    try:
        found = read_report(data, Budget(_LIMITS))
    except Unreadable:
        return
    assert found
    for one in found:
        match one:
            case AggregateReport():
                assert one.domain
                assert one.report_id
                assert 0 <= one.begin <= one.end
                assert len(one.rows) <= _LIMITS.rows
                assert all(row.messages >= 0 and row.source.isprintable() for row in one.rows)
                assert all(text.isprintable() for text in (one.org, one.email, one.contact, *one.errors))
            case TlsReport():
                assert all(text.isprintable() for text in (one.org, one.report_id, one.contact))
                assert all(policy.failed >= 0 for policy in one.policies)
            case FailureReport():
                assert all(value.isprintable() for _, value in one.fields)
                assert all(line.isprintable() for line in one.headers.split("\n") if line)


class _Depth:
    """A Collector that knows only how deep it is."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.complete = False
        self.open: list[str] = []

    def start(self, name: str) -> None:
        self.open.append(name)

    def text(self, data: str) -> None:
        assert isinstance(data, str)

    def end(self, name: str) -> None:
        assert self.open.pop() == name
        self.complete = not self.open


def report_markup(data: bytes) -> None:
    """Whatever the markup, elements are closed in the order they were opened, and all of them."""
    collector = _Depth()
    try:
        read_markup(decode_markup(data), collector, Budget())
    except Unreadable:
        return
    assert not collector.open or collector.complete


REPORT_TARGETS = {"report": report, "report_markup": report_markup}
