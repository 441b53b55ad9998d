"""LIST and LSUB: RFC 3501 6.3.8 and 6.3.9, RFC 5258 (extended), RFC 5819 (STATUS), RFC 6154 (SPECIAL-USE),
RFC 8440 (MYRIGHTS)."""

from __future__ import annotations

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.mailboxes import status_items
from postier.imap.wire.values import List, ListReturn, ListSelection, Lsub

__all__ = ["parse_list", "parse_lsub"]

PATTERN_LIMIT = 100

_SELECTION = {
    b"SUBSCRIBED": ListSelection.SUBSCRIBED,
    b"REMOTE": ListSelection.REMOTE,
    b"RECURSIVEMATCH": ListSelection.RECURSIVEMATCH,
    b"SPECIAL-USE": ListSelection.SPECIAL_USE,
}
_RETURN = {
    b"SUBSCRIBED": "subscribed",
    b"CHILDREN": "children",
    b"SPECIAL-USE": "special_use",
    b"MYRIGHTS": "my_rights",
}
_CAPABILITY_OF = {
    b"SPECIAL-USE": "SPECIAL-USE",
    b"STATUS": "LIST-STATUS",
    b"MYRIGHTS": "LIST-MYRIGHTS",
}
"""Options of extensions that can be switched off."""

_BASES = ListSelection.SUBSCRIBED | ListSelection.SPECIAL_USE


def parse_list(g: Grammar, tag: bytes) -> List:
    """list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]."""
    g.space()
    selection, extended = ListSelection.NONE, False
    if g.peek() == 0x28:  # "("
        selection, extended = _selection(g), True
        g.space()
    reference = g.name_of(g.astring())
    g.space()
    if g.peek() == 0x28:
        patterns, extended = _patterns(g), True
    else:
        patterns = (g.list_mailbox(),)
    returns = ListReturn()
    if g.take(b" "):
        g.expect_nocase(b"RETURN ", "RETURN")
        returns, extended = _returns(g), True
    if extended:
        g.needs("LIST-EXTENDED")
    g.end()
    return List(tag, reference, patterns, selection, returns, extended)


def _selection(g: Grammar) -> ListSelection:
    g.expect(b"(")
    selection = ListSelection.NONE
    while not g.take(b")"):
        if selection:
            g.space()
        name = g.word()
        option = _SELECTION.get(name)
        if option is None:
            g.fail("a selection option")
        g.needs(_CAPABILITY_OF.get(name, ""))
        selection |= option
    if ListSelection.RECURSIVEMATCH in selection and not selection & _BASES:
        g.fail("RECURSIVEMATCH with another option")  # RFC 5258 3.1
    return selection


def _patterns(g: Grammar) -> tuple[str, ...]:
    g.expect(b"(")
    patterns = [g.list_mailbox()]
    while g.take(b" "):
        patterns.append(g.list_mailbox())
        if len(patterns) > PATTERN_LIMIT:
            g.fail(f"{PATTERN_LIMIT} patterns at most")
    g.expect(b")")
    return tuple(patterns)


def _returns(g: Grammar) -> ListReturn:
    g.expect(b"(", "return options")
    options: dict[str, bool] = {}
    status: tuple[str, ...] = ()
    while not g.take(b")"):
        if options or status:
            g.space()
        name = g.word()
        g.needs(_CAPABILITY_OF.get(name, ""))
        if name == b"STATUS":
            g.space()
            status = status_items(g)
        elif name in _RETURN:
            options[_RETURN[name]] = True
        else:
            g.fail("a return option")
    return ListReturn(**options, status=status)


def parse_lsub(g: Grammar, tag: bytes) -> Lsub:
    g.space()
    reference = g.name_of(g.astring())
    g.space()
    pattern = g.list_mailbox()
    g.end()
    return Lsub(tag, reference, pattern)
