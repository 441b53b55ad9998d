"""XML of reports, as events to whoever collects them: by the book first, and leniently where that fails.

Reporters write XML by string formatting: names with "<" in them, wrong encodings, tags that are never closed,
junk behind the end. The strict reader is expat; what it refuses goes through a scanner for which only the
words of the reports' schema are tags, and all the rest is text. Neither knows DTDs or entities of a
document's own: a document that declares any is refused.
"""

from __future__ import annotations

import codecs
import html
import re
from typing import Protocol
from xml.parsers import expat

from postier.message import charsets
from postier.reports.limits import Budget, Unreadable

__all__ = ["TAGS", "Collector", "decode_markup", "read_markup"]

# fmt: off
TAGS = frozenset((
    "feedback", "version", "report_metadata", "org_name", "email", "extra_contact_info", "report_id",
    "date_range", "begin", "end", "error", "generator", "policy_published", "domain",
    "version_published", "adkim", "aspf", "p", "sp", "np", "pct", "fo", "testing", "discovery_method",
    "record", "row", "source_ip", "count", "policy_evaluated", "disposition", "dkim", "spf", "reason",
    "type", "comment", "identifiers", "identities", "envelope_to", "envelope_from", "header_from",
    "auth_results", "selector", "scope", "result", "human_result", "extension", "extensions",
))
# fmt: on
_PIECE = 64 * 1024
_TAG_MOST = 256 * 1024
_TEXT_MOST = 16 * 1024
"""Octets of one tag that is read by the book, and characters of one text that is read leniently."""
_REFERENCE = re.compile(r"&(?:#(?:[0-9]{1,7}|[xX][0-9A-Fa-f]{1,6})|[A-Za-z0-9]{1,32});")
_DECLARED = re.compile(r"""\s*+<\?xml[^>]{0,200}?encoding\s{0,9}=\s{0,9}["']([A-Za-z0-9._-]{1,40})["']""")
_TAG = re.compile(
    r"<(/?)(?:[A-Za-z0-9_-]{1,40}:)?([A-Za-z_]{1,40})(?=[\s/>])([^<>]{0,1000}?)(/?)>"
    r"|<!--[^<>]{0,1000}?-->|<\?[^<>]{0,1000}\?>|<!\[CDATA\[([^<>]{0,1000}?)\]\]>"
)


class Collector(Protocol):
    """Hears a document. `reset` begins anew. `complete`: the root element was closed."""

    complete: bool

    def reset(self) -> None: ...
    def start(self, name: str) -> None: ...
    def text(self, data: str) -> None: ...
    def end(self, name: str) -> None: ...


def decode_markup(data: bytes) -> str:
    """Text in whatever encoding it turns out to have; never fails."""
    for mark, codec in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(codec, "replace")
    if data[1:2] == b"\0":
        return data.decode("utf-16-le", "replace")
    if data[:1] == b"\0":
        return data.decode("utf-16-be", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        declared = _DECLARED.match(data[:400].decode("latin-1"))
        name = declared[1].lower() if declared else ""
        return (
            charsets.decode(data, name)
            if name not in ("", "utf-8", "utf8")
            else data.decode("cp1252", "replace")
        )


def read_markup(text: str, collector: Collector, budget: Budget) -> None:
    """Raises Unreadable, as do the collector's methods."""
    start = text.find("<")
    if start < 0:
        raise Unreadable("there is no XML in it")
    if "<!DOCTYPE" in text or "<!ENTITY" in text or "<!doctype" in text:
        raise Unreadable("it has a document type definition, which no report needs")
    collector.reset()
    try:
        _strict(text, start, collector, budget)
    except expat.ExpatError:
        if not collector.complete:
            collector.reset()
            _lenient(text, start, collector, budget)


def _strict(text: str, start: int, collector: Collector, budget: Budget) -> None:
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, _: collector.start(name.rpartition(":")[2])
    parser.EndElementHandler = lambda name: collector.end(name.rpartition(":")[2])
    parser.CharacterDataHandler = collector.text
    given = 0
    for piece in range(start, len(text), _PIECE):
        octets = text[piece : piece + _PIECE].encode("utf-8", "replace")
        parser.Parse(octets, False)
        given += len(octets)
        if given - parser.CurrentByteIndex > _TAG_MOST:  # which expat reads anew with each piece
            raise Unreadable(f"a tag of it is longer than {_TAG_MOST} octets")
        budget.check()
    parser.Parse(b"", True)


def _lenient(text: str, start: int, collector: Collector, budget: Budget) -> None:
    """Tags that are open at an end tag of something further out are closed by it; end tags of what is not
    open count for nothing; so do all tags that the schema does not have."""
    opened: list[str] = []
    done = start
    for count, found in enumerate(_TAG.finditer(text, start)):
        if not count % 1000:
            budget.check()
        if found[2] is None:
            collector.text(_unescaped(text, done, found.start()) + (found[5] or ""))
            done = found.end()
            continue
        name = found[2].lower()
        if name not in TAGS:
            continue
        collector.text(_unescaped(text, done, found.start()))
        done = found.end()
        if not found[1]:
            collector.start(name)
            opened.append(name)
        if (found[1] or found[4]) and name in opened:
            while True:
                last = opened.pop()
                collector.end(last)
                if last == name:
                    break
    while opened:
        collector.end(opened.pop())


def _unescaped(text: str, start: int, end: int) -> str:
    """With references resolved that end with a semicolon. Of a text too long for any value its beginning."""
    return _REFERENCE.sub(lambda found: html.unescape(found[0]), text[start : min(end, start + _TEXT_MOST)])
