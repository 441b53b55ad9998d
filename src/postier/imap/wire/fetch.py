"""What FETCH asks for: RFC 3501 6.4.5, the modifiers of RFC 7162 and 9394,
the items of RFC 3516, 8474, 8514 and 8970.

The labels under which sections are answered are made here, from checked pieces only.
"""

from __future__ import annotations

import dataclasses
import re

from postier.imap.wire.grammar import NUMBER64_LIMIT, Grammar
from postier.imap.wire.returns import partial_range
from postier.imap.wire.values import BodySection, Fetch, FetchItem, PartialRange, SectionForm

__all__ = ["fetch_attributes", "parse_fetch", "parse_section"]

ITEM_LIMIT = 500
PART_LIMIT = 100
FIELD_LIMIT = 500

_NAME = re.compile(rb"[A-Za-z0-9.]++")
_FIELD_NAME = re.compile(rb"[ -~]{0,250}")
_ATOM = re.compile(rb"[!#$&'+,./0-9;<=>?@A-Z^_`a-z|}~-]++")

_FAST: tuple[FetchItem, ...] = ("FLAGS", "INTERNALDATE", "RFC822.SIZE")
_MACROS: dict[bytes, tuple[FetchItem, ...]] = {
    b"FAST": _FAST,
    b"ALL": (*_FAST, "ENVELOPE"),
    b"FULL": (*_FAST, "ENVELOPE", "BODY"),
}
_ITEMS: dict[bytes, FetchItem] = {
    name.encode(): name
    for name in (
        *("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "BODY", "UID"),
        "MODSEQ",  # RFC 7162 3.1.4
        *("EMAILID", "THREADID"),  # RFC 8474 5.3
        "SAVEDATE",  # RFC 8514 4.2
        "PREVIEW",  # RFC 8970 3.1
    )
}
_ITEMS |= {
    b"RFC822": BodySection((), "", (), None, False, b"RFC822"),
    b"RFC822.HEADER": BodySection((), "HEADER", (), None, True, b"RFC822.HEADER"),
    b"RFC822.TEXT": BodySection((), "TEXT", (), None, False, b"RFC822.TEXT"),
}
_CAPABILITY_OF: dict[FetchItem, str] = {
    "MODSEQ": "CONDSTORE",
    "EMAILID": "OBJECTID",
    "THREADID": "OBJECTID",
    "SAVEDATE": "SAVEDATE",
    "PREVIEW": "PREVIEW",
}
"""Items of extensions that can be switched off."""

_SECTIONS = {
    b"BODY": (SectionForm.BODY, False),
    b"BODY.PEEK": (SectionForm.BODY, True),
    b"BINARY": (SectionForm.BINARY, False),
    b"BINARY.PEEK": (SectionForm.BINARY, True),
    b"BINARY.SIZE": (SectionForm.BINARY_SIZE, True),
}
"""The items with a section: their form, and whether they leave \\Seen alone."""

_TO_THE_END = NUMBER64_LIMIT
_WHOLE_SPECIFIERS = {b"HEADER", b"TEXT", b"HEADER.FIELDS", b"HEADER.FIELDS.NOT"}
_PART_SPECIFIERS = _WHOLE_SPECIFIERS | {b"MIME"}


def parse_fetch(g: Grammar, tag: bytes, *, by_uid: bool = False) -> Fetch:
    """fetch = "FETCH" SP sequence-set SP (macro / fetch-att / "(" fetch-att *(SP fetch-att) ")")
    [SP fetch-modifiers]."""
    g.space()
    sequence = g.sequence_set()
    g.space()
    items = _items(g)
    changed_since, vanished, partial = _modifiers(g) if g.take(b" ") else (None, False, None)
    g.end()
    if vanished and not by_uid:
        g.fail("VANISHED with UID FETCH only")  # RFC 7162 3.2.6
    return Fetch(tag, sequence, items, by_uid, changed_since, vanished, partial)


def _items(g: Grammar) -> tuple[FetchItem, ...]:
    if not g.take(b"("):
        start = g.position
        macro = _MACROS.get(g.match(_NAME).upper())
        if macro is not None:
            return macro
        g.position = start
        return (_item(g),)
    return fetch_attributes(g)


def fetch_attributes(g: Grammar) -> tuple[FetchItem, ...]:
    """fetch-att *(SP fetch-att) ")", without duplicates."""
    items = [_item(g)]
    while g.take(b" "):
        items.append(_item(g))
        if len(items) > ITEM_LIMIT:
            g.fail(f"{ITEM_LIMIT} items at most")
    g.expect(b")")
    return tuple(dict.fromkeys(items))


def _item(g: Grammar) -> FetchItem:
    start = g.position
    name = g.match(_NAME).upper()
    if name in _SECTIONS and g.take(b"["):
        return _section(g, *_SECTIONS[name])
    item = _ITEMS.get(name)
    if item is None:
        g.position = start
        g.fail("a FETCH item")
    if item in _CAPABILITY_OF:
        g.needs(_CAPABILITY_OF[item])
    if item == "PREVIEW":
        _preview_modifiers(g)
    return item


def _preview_modifiers(g: Grammar) -> None:
    """[SP "(" preview-mod *(SP preview-mod) ")"] (RFC 8970 6). LAZY asks for what is at hand: here all of it
    is. Another parenthesis belongs to FETCH."""
    if not g.take_nocase(b" (LAZY"):
        return
    while g.take_nocase(b" LAZY"):
        pass
    g.expect(b")")


def _section(g: Grammar, form: SectionForm, peek: bool) -> BodySection:
    """section = "[" [section-spec] "]" ["<" number "." nz-number ">"], behind its bracket.

    BINARY is specified with part numbers only; a header or a text is taken as well, as elsewhere.
    """
    if form is not SectionForm.BODY:
        g.needs("BINARY")
    path, specifier = _section_path(g)
    fields = _header_list(g) if specifier.startswith(b"HEADER.FIELDS") else ()
    g.expect(b"]")
    partial = _partial(g, form) if form is not SectionForm.BINARY_SIZE and g.take(b"<") else None
    label = b".".join([*(b"%d" % number for number in path), *([specifier] if specifier else [])])
    if fields:
        label += b" (" + b" ".join(map(_field_text, fields)) + b")"
    label = b"%b[%b]" % (form.value.encode(), label)
    return BodySection(path, specifier.decode(), fields, partial, peek, label, form)


def parse_section(spec: bytes, partial: tuple[int, int] | None) -> BodySection:
    """The section that `spec` names without its brackets, as a URL does. Raises ParseError."""
    section = _section(Grammar(spec + b"]"), SectionForm.BODY, peek=True)
    return dataclasses.replace(section, partial=partial)


def _partial(g: Grammar, form: SectionForm) -> tuple[int, int]:
    """number "." nz-number ">"; of BINARY the first number alone is taken as well, as elsewhere."""
    first, length = g.number64(), _TO_THE_END
    if form is SectionForm.BODY or g.peek() == 0x2E:  # "."
        g.expect(b".")
        length = g.nz_number64()
    g.expect(b">")
    return first, length


def _section_path(g: Grammar) -> tuple[tuple[int, ...], bytes]:
    """Part numbers and what of the part: "1.2.HEADER", "1.2", "TEXT", ""."""
    path: list[int] = []
    specifier = b""
    if g.peek() == 0x5D:  # "]"
        return (), b""
    while g.peek() in _DIGIT_BYTES:
        path.append(g.nz_number())
        if len(path) > PART_LIMIT:
            g.fail(f"{PART_LIMIT} levels of parts at most")
        if not g.take(b"."):
            return tuple(path), b""
    specifier = g.match(_NAME).upper()
    if specifier not in (_PART_SPECIFIERS if path else _WHOLE_SPECIFIERS):
        g.fail("a section")
    return tuple(path), specifier


_DIGIT_BYTES = frozenset(b"0123456789")


def _header_list(g: Grammar) -> tuple[bytes, ...]:
    """SP "(" header-fld-name *(SP header-fld-name) ")": any astring of printable characters, also what
    no field can be called."""
    g.space()
    g.expect(b"(", "a list of header fields")
    fields = [_field_name(g)]
    while g.take(b" "):
        fields.append(_field_name(g))
        if len(fields) > FIELD_LIMIT:
            g.fail(f"{FIELD_LIMIT} header fields at most")
    g.expect(b")")
    return tuple(fields)


def _field_name(g: Grammar) -> bytes:
    name = g.astring()
    if _FIELD_NAME.fullmatch(name) is None:
        g.fail("the name of a header field")
    return name


def _field_text(name: bytes) -> bytes:
    """A checked field name as an astring."""
    if _ATOM.fullmatch(name):
        return name
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _modifiers(g: Grammar) -> tuple[int | None, bool, PartialRange | None]:
    """RFC 7162 7, RFC 9394 4: "(" ["CHANGEDSINCE" SP mod-sequence-value [SP "VANISHED"]]
    ["PARTIAL" SP partial-range] ")" in any order."""
    g.expect(b"(", "modifiers")
    changed_since: int | None = None
    vanished = False
    partial: PartialRange | None = None
    while True:
        name = g.word()
        if name == b"CHANGEDSINCE" and changed_since is None:
            g.needs("CONDSTORE")
            g.space()
            changed_since = g.number64()
        elif name == b"VANISHED":
            g.needs("QRESYNC")
            vanished = True
        elif name == b"PARTIAL" and partial is None:
            g.needs("PARTIAL")
            g.space()
            partial = partial_range(g)
        else:
            g.fail("CHANGEDSINCE, VANISHED or PARTIAL")
        if g.take(b")"):
            break
        g.space()
    if vanished and changed_since is None:
        g.fail("CHANGEDSINCE beside VANISHED")
    return changed_since, vanished, partial
