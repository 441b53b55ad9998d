"""What a reader sees of HTML, roughly, in one linear pass: markup goes, its text stays."""

from __future__ import annotations

import html
import re

__all__ = ["HtmlText", "html_text"]

_INLINE = (
    "a|abbr|acronym|b|bdi|bdo|big|cite|code|data|del|dfn|em|font|i|ins|kbd|label|mark|nobr|q|s|samp|small|span"
    "|strike|strong|sub|sup|time|tt|u|var|wbr"
)
_INLINE_TAG = re.compile(f"</?(?:{_INLINE})(?![a-z0-9:-])[^<>]*+>?", re.IGNORECASE)
_TAG = re.compile("<[a-z/!?][^<>]*+>?", re.IGNORECASE)
_SKIPPED = re.compile(r"<(script|style|head|title)(?![a-z0-9])|<!--", re.IGNORECASE)
_END = {
    "<!--": re.compile("-->"),
    **{
        name: re.compile(f"</{name}[^<>]*+>?", re.IGNORECASE) for name in ("script", "style", "head", "title")
    },
}
_LONG_REFERENCE = re.compile(r"&#(?:\d{8,}|[xX][0-9a-fA-F]{8,});?")
_SPACE = re.compile("[ \t\r\n\f\xa0]+")
_HELD = 1 << 20
"""Characters that may wait for the end of an element that nobody is to see."""


def html_text(markup: str) -> str:
    """Tags become spaces, but for those that stand within words; comments, scripts, styles and heads vanish;
    white space is one space."""
    text = _TAG.sub(" ", _INLINE_TAG.sub("", _shown(markup)))
    if "&" in text:
        text = html.unescape(_LONG_REFERENCE.sub("\ufffd", text))
    return _SPACE.sub(" ", text)


def _shown(markup: str) -> str:
    kept: list[str] = []
    position = 0
    unclosed: set[str] = set()
    while (found := _SKIPPED.search(markup, position)) is not None:
        name = (found[1] or found[0]).lower()
        end = None if name in unclosed else _END[name].search(markup, found.end())
        if end is None:  # never closed: it counts as any other tag
            unclosed.add(name)
            kept.append(markup[position : found.end()])
            position = found.end()
        else:
            kept.append(markup[position : found.start()])
            position = end.end()
    kept.append(markup[position:])
    return "".join(kept)


class HtmlText:
    """`html_text` of markup that comes in pieces: cut behind tags, and before an element that is not closed
    yet and whose content nobody sees."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, piece: str) -> str:
        markup = self._rest + piece
        cut = markup.rfind(">") + 1
        hidden = _unclosed(markup)
        if 0 <= hidden < cut:
            cut = hidden
        if len(markup) - cut > _HELD:
            cut = len(markup)
        self._rest = markup[cut:]
        return html_text(markup[:cut])

    def finish(self) -> str:
        rest, self._rest = self._rest, ""
        return html_text(rest)


def _unclosed(markup: str) -> int:
    """Where the first element starts that hides what follows and has no end here, or -1."""
    position = 0
    while (found := _SKIPPED.search(markup, position)) is not None:
        end = _END[(found[1] or found[0]).lower()].search(markup, found.end())
        if end is None or (end.end() == len(markup) and not markup.endswith(">")):
            return found.start()
        position = end.end()
    return -1
